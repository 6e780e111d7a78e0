//! The page to chat with.

/// A page of one file. It is served by the gateway that has the rooms, so that browsers let it connect.
pub(crate) const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>chat</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
  ol { list-style: none; padding: 0; min-height: 10rem; }
  input { font: inherit; }
</style>
<form id="enter">
  <input id="room" aria-label="room" placeholder="room" required>
  <input id="name" aria-label="your name" placeholder="your name" required>
  <button>Enter</button>
</form>
<ol id="lines"></ol>
<form id="say" hidden>
  <input id="text" aria-label="what to say" autocomplete="off" required>
  <button>Say</button>
</form>
<script>
  const at = id => document.getElementById(id);
  const show = line => at("lines").append(Object.assign(document.createElement("li"), { textContent: line }));
  at("enter").onsubmit = event => {
    event.preventDefault();
    const [room, name] = [at("room"), at("name")].map(input => encodeURIComponent(input.value));
    const here = location.href.replace(/^http/, "ws").replace(/[?#].*$/, "").replace(/\/?$/, "/");
    const socket = new WebSocket(`${here}rooms/${room}?name=${name}`);
    socket.onopen = () => { at("enter").hidden = true; at("say").hidden = false; };
    socket.onmessage = event => show(event.data);
    socket.onclose = event => {
      show(`The connection has ended: ${event.code} ${event.reason}`);
      at("enter").hidden = false;
      at("say").hidden = true;
    };
    at("say").onsubmit = event => {
      event.preventDefault();
      socket.send(at("text").value);
      at("text").value = "";
    };
  };
</script>
</html>
"#;
