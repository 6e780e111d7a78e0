"""A hello of Project Fn's Python FDK, which fails, dawdles and answers otherwise when it is asked to."""

import io
import json
import logging
import time

from fdk import response


def handler(ctx, data: io.BytesIO = None):
    try:
        wanted = json.loads(data.getvalue())
    except ValueError:
        wanted = {}
    name = wanted.get("name", "World")
    logging.getLogger().info("greeting %s", name)
    print(f"printed for {name}", flush=True)
    time.sleep(wanted.get("sleep", 0))
    if "fail" in wanted:
        raise ValueError(wanted["fail"])
    if "late" in wanted:
        raise TimeoutError(wanted["late"])
    answer = {
        "message": f"Hello {name}",
        "method": ctx.Method(),
        "url": ctx.RequestURL(),
        "header": ctx.HTTPHeaders().get("x-header"),
        "greeting": ctx.Config().get("GREETING"),
    }
    return response.Response(
        ctx,
        response_data=json.dumps(answer),
        headers={"Content-Type": "application/json", "X-Language": "Python"},
        status_code=wanted.get("status", 200),
    )
