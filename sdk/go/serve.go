// Package mu is for functions in Go: WebAssembly modules that answer requests, and reach tables, boxes, other servers
// and the log by what they say to the runtime over stdin and stdout.
//
//	func main() {
//		mu.Serve(mu.Handlers{"greet": greet})
//	}
//
//	func greet(request *mu.Request) (*mu.Response, error) {
//		return mu.Text("Hello, %s!\n", request.Param("name", "world")), nil
//	}
//
// A module is built with `GOOS=wasip1 GOARCH=wasm go build`.
package mu

import (
	"fmt"
	"log"
	"sort"
	"strings"
)

// Handler answers a request. An error becomes a response of status 500, and a panic fails the invocation; either way
// the log says why, and the caller does not learn it.
type Handler func(*Request) (*Response, error)

// Handlers are known by the names that the routes in mu.yaml give them (`get: function.handler`).
type Handlers map[string]Handler

// Serve answers the one request that the module was started for. It is all that main has to do.
func Serve(handlers Handlers) {
	log.SetFlags(0)
	log.SetOutput(logWriter{})
	name, request, err := execution(host)
	if err != nil {
		fatal(err)
		return
	}
	response, err := handlers.answer(name, request)
	if err != nil {
		fatal(err)
		return
	}
	_ = host.tell(codeFunctionResult, func(e *encoder) { encodeResponse(e, response) })
}

// execution reads which handler is to answer which request.
func execution(c *conversation) (string, *Request, error) {
	code, d := c.receive()
	if d.err == nil && code != codeExecuteFunction {
		return "", nil, fmt.Errorf("message %d came where a request was expected", code)
	}
	name, request := d.text(), decodeRequest(d)
	return name, request, d.err
}

func (h Handlers) answer(name string, request *Request) (response *Response, err error) {
	handler, ok := h[name]
	if !ok {
		return nil, fmt.Errorf("no handler is named %s; there are: %s", name, strings.Join(h.names(), ", "))
	}
	// A panic's message goes to the log by way of the error, which the runtime's own report would not have.
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("handler %s panicked: %v", name, reason)
		}
	}()
	response, failure := handler(request)
	if failure != nil {
		Log(LevelError, "%v", failure)
		return failed(), nil
	}
	if response == nil {
		response = Status(204)
	}
	return response, nil
}

// failed is a response in the shape of mu's own errors.
func failed() *Response {
	body := `{"code":"internal","message":"the function failed; its log says why"}`
	return bodyOf("application/json", []byte(body)).WithStatus(500)
}

func (h Handlers) names() []string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func fatal(err error) {
	_ = host.tell(codeFatalError, func(e *encoder) { e.text(err.Error()) })
}

// logWriter makes a line of the function's log of what the standard package log prints.
type logWriter struct{}

func (logWriter) Write(line []byte) (int, error) {
	Log(LevelInfo, "%s", strings.TrimRight(string(line), "\n"))
	return len(line), nil
}
