package mu

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Request is what a handler is asked.
type Request struct {
	// Method is GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS.
	Method string
	// PathParams is what stood in the places of the route's {name}s.
	PathParams map[string]string
	// QueryParams has the query's values; of a repeated name, the last.
	QueryParams map[string]string
	// Headers are in order; a name may be repeated.
	Headers []Header
	// Body is the whole body.
	Body []byte
}

// Response is what a handler answers, or what another server did.
type Response struct {
	// Status is the code of HTTP; 0 is sent as 200.
	Status int
	// Headers are in order; a name may be repeated.
	Headers []Header
	// Body is the whole body.
	Body []byte
}

// Header is the name and value of a header.
type Header struct {
	Name  string
	Value string
}

// Param is the path parameter of this name, or fallback if the route has none.
func (r *Request) Param(name, fallback string) string {
	if value, ok := r.PathParams[name]; ok {
		return value
	}
	return fallback
}

// Header is the value of the first header of this name, in any case; "" if there is none.
func (r *Request) Header(name string) string { return firstValue(r.Headers, name) }

// JSON reads the body as JSON.
func (r *Request) JSON(into any) error { return json.Unmarshal(r.Body, into) }

// Text is a response of status 200 with text.
func Text(format string, values ...any) *Response {
	return bodyOf("text/plain; charset=utf-8", fmt.Appendf(nil, format, values...))
}

// JSON is a response of status 200 with value as JSON.
func JSON(value any) (*Response, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return bodyOf("application/json", body), nil
}

// Status is a response without a body.
func Status(status int) *Response { return &Response{Status: status} }

// WithStatus is the response with another status.
func (r *Response) WithStatus(status int) *Response {
	r.Status = status
	return r
}

// WithHeader is the response with a header more.
func (r *Response) WithHeader(name, value string) *Response {
	r.Headers = append(r.Headers, Header{name, value})
	return r
}

// Header is the value of the first header of this name, in any case; "" if there is none.
func (r *Response) Header(name string) string { return firstValue(r.Headers, name) }

func bodyOf(contentType string, body []byte) *Response {
	return &Response{Status: 200, Headers: []Header{{"content-type", contentType}}, Body: body}
}

func firstValue(headers []Header, name string) string {
	for _, header := range headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value
		}
	}
	return ""
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

var versions = []string{"HTTP/0.9", "HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3"}

func encodeVariant(e *encoder, names []string, name string) error {
	for index, known := range names {
		if known == name {
			e.u8(uint8(index))
			return nil
		}
	}
	return fmt.Errorf("%q cannot be sent: it is none of %s", name, strings.Join(names, ", "))
}

func decodeVariant(d *decoder, names []string) string {
	index := int(d.u8())
	if index >= len(names) {
		d.fail("variant %d is unknown", index)
		return ""
	}
	return names[index]
}

func encodeHeader(e *encoder, header Header) {
	e.text(header.Name)
	e.text(header.Value)
}

func decodeHeader(d *decoder) Header { return Header{d.text(), d.text()} }

func encodeResponse(e *encoder, response *Response) {
	status := response.Status
	if status == 0 {
		status = 200
	}
	e.u16(uint16(status))
	encodeList(e, response.Headers, encodeHeader)
	e.data(response.Body)
}

func decodeResponse(d *decoder) *Response {
	return &Response{int(d.u16()), decodeList(d, decodeHeader), d.data()}
}

func decodeRequest(d *decoder) *Request {
	return &Request{decodeVariant(d, methods), d.texts(), d.texts(), decodeList(d, decodeHeader), d.data()}
}
