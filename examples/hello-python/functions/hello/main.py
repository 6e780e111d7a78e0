"""Greets whoever is named in the path, and counts how often."""

from mu import Request, env, log, serve, table


def greet(request: Request) -> str:
    """`GET /` and `GET /{name}`"""
    name = request.params.get("name", "world")
    visits = table("visits")

    count = int(visits.get(name, 0)) + 1
    visits[name] = str(count)

    log.info("greeting %s", name)
    return f"{env.get('GREETING', 'Hello')}, {name}! Visit {count}.\n"


IncomingHandler = serve(greet)
