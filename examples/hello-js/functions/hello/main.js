import { env, log, serve, table } from "mu-sdk";

/** `GET /` and `GET /{name}` */
function greet(request) {
  const name = request.params.name ?? "world";
  const visits = table("visits");

  const count = Number(visits.get(name) ?? 0) + 1;
  visits.set(name, count);

  log.info(`greeting ${name}`);
  return `${env.GREETING ?? "Hello"}, ${name}! Visit ${count}.\n`;
}

export const incomingHandler = serve({ greet });
