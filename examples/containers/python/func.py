"""Greets whoever is named in the body: {"name": "Ada"}."""

import io
import json
import logging

from fdk import response


def handler(ctx, data: io.BytesIO = None):
    try:
        name = json.loads(data.getvalue())["name"]
    except (ValueError, KeyError, TypeError):
        name = "World"

    logging.getLogger().info("greeting %s", name)
    return response.Response(
        ctx,
        response_data=json.dumps({"message": f"Hello {name}"}),
        headers={"Content-Type": "application/json"},
    )
