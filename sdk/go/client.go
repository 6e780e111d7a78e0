package mu

import "fmt"

// HTTPRequest is a request to another server.
type HTTPRequest struct {
	// Method is GET if it is "".
	Method string
	// URL is absolute.
	URL string
	// Headers are in order; a name may be repeated.
	Headers []Header
	Body    []byte
	// Version is HTTP/0.9, HTTP/1.0, HTTP/1.1, HTTP/2 or HTTP/3; HTTP/1.1 if it is "".
	Version string
}

// HTTPError says why a request got no response.
type HTTPError struct {
	// Kind is builder, request, redirect, status, body, decode or upgrade.
	Kind string
	// Status is the status of an error of that kind.
	Status int
	// Reason is what the other kinds tell.
	Reason string
}

func (e *HTTPError) Error() string {
	if e.Kind == "status" {
		return fmt.Sprintf("the server answered with status %d", e.Status)
	}
	return fmt.Sprintf("%s: %s", e.Kind, e.Reason)
}

var errorKinds = []string{"builder", "request", "redirect", "status", "body", "decode", "upgrade"}

// Fetch sends a GET request and waits for the whole response. Any status is a response.
func Fetch(url string) (*Response, error) { return Send(HTTPRequest{URL: url}) }

// Send sends a request and waits for the whole response. Any status is a response. The host decides which addresses
// may be reached, how long it may take, and how large a response may be.
func Send(request HTTPRequest) (*Response, error) {
	body := &encoder{}
	if err := encodeHTTPRequest(body, request); err != nil {
		return nil, err
	}
	code, d, err := host.ask(codeHTTP, func(e *encoder) { e.bytes = append(e.bytes, body.bytes...) })
	if err != nil {
		return nil, err
	}
	if code != codeHTTP {
		return nil, unexpected(code)
	}
	response, failure := decodeHTTPResult(d)
	if d.err != nil {
		return nil, d.err
	}
	if failure != nil {
		return nil, failure
	}
	return response, nil
}

func encodeHTTPRequest(e *encoder, request HTTPRequest) error {
	if request.Method == "" {
		request.Method = "GET"
	}
	if request.Version == "" {
		request.Version = "HTTP/1.1"
	}
	if err := encodeVariant(e, methods, request.Method); err != nil {
		return err
	}
	e.text(request.URL)
	encodeList(e, request.Headers, encodeHeader)
	e.data(request.Body)
	return encodeVariant(e, versions, request.Version)
}

func decodeHTTPResult(d *decoder) (*Response, *HTTPError) {
	if d.flag() {
		return decodeResponse(d), nil
	}
	failure := &HTTPError{Kind: decodeVariant(d, errorKinds)}
	if failure.Kind == "status" {
		failure.Status = int(d.u16())
	} else {
		failure.Reason = d.text()
	}
	return nil, failure
}
