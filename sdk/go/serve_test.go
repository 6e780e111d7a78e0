package mu

import (
	"bytes"
	"errors"
	"log"
	"strings"
	"testing"
)

// conversationOf serves one request for the handler of this name, and returns what was sent.
func conversationOf(name string, handlers Handlers) []byte {
	request := &encoder{}
	request.u16(codeExecuteFunction)
	request.text(name)
	request.u8(0)
	request.texts(nil)
	request.texts(nil)
	request.u32(0)
	request.data(nil)
	var sent bytes.Buffer
	host = &conversation{bytes.NewReader(request.bytes), &sent}
	Serve(handlers)
	return sent.Bytes()
}

func TestServe(t *testing.T) {
	handlers := Handlers{
		"text":    func(*Request) (*Response, error) { return Text("hi"), nil },
		"nothing": func(*Request) (*Response, error) { return nil, nil },
		"error":   func(*Request) (*Response, error) { return nil, errors.New("out of tea") },
		"panic":   func(*Request) (*Response, error) { panic("no cup") },
		"logs": func(*Request) (*Response, error) {
			log.Printf("a line")
			return Status(204), nil
		},
	}
	for _, test := range []struct {
		handler string
		code    byte
		holds   string
	}{
		{"text", codeFunctionResult, "\xc8\x00"},
		{"nothing", codeFunctionResult, "\xcc\x00"},
		{"error", codeLog, "out of tea\x00\x02\x00\xf4\x01"},
		{"panic", codeFatalError, "handler panic panicked: no cup"},
		{"missing", codeFatalError, "no handler is named missing; there are: error, logs, nothing, panic, text"},
		{"logs", codeLog, "\x06\x00\x00\x00a line\x02"},
	} {
		sent := conversationOf(test.handler, handlers)
		if sent[0] != test.code || !strings.Contains(string(sent), test.holds) {
			t.Errorf("%s: sent %q", test.handler, sent)
		}
	}
}

func TestJSON(t *testing.T) {
	request := Request{Body: []byte(`{"a": 1}`), Headers: []Header{{"X-A", "b"}}}
	var body struct{ A int }
	if err := request.JSON(&body); err != nil || body.A != 1 {
		t.Errorf("read %v, %v", body, err)
	}
	if request.Header("x-a") != "b" || request.Header("x-b") != "" {
		t.Error("headers are found in any case")
	}
	response, err := JSON(body)
	if err != nil || string(response.Body) != `{"A":1}` {
		t.Errorf("answered %v, %v", response, err)
	}
}
