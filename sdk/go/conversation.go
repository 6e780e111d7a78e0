package mu

import (
	"bufio"
	"fmt"
	"io"
	"os"
)

// Codes of messages. Questions and their answers have a code each; the two directions count apart.
const (
	codeExecuteFunction = 1

	codeFatalError     = 1
	codeFunctionResult = 2
	codeLog            = 3

	codeDbError    = 1001
	codeStoreError = 2001
	codeHTTP       = 3001
)

// conversation is what a function and the runtime say to each other, over stdin and stdout.
type conversation struct {
	input  io.Reader
	output io.Writer
}

// host is the runtime. There is one thread, hence one question at a time.
var host = &conversation{bufio.NewReader(os.Stdin), os.Stdout}

// receive reads the code of the next message; its body is read with the decoder.
func (c *conversation) receive() (uint16, *decoder) {
	d := &decoder{input: c.input}
	return d.u16(), d
}

// tell sends a message that is not answered.
func (c *conversation) tell(code uint16, body func(*encoder)) error {
	e := &encoder{}
	e.u16(code)
	body(e)
	_, err := c.output.Write(e.bytes)
	return err
}

// ask sends a question and reads the code of its answer. An answer that says why it failed is an error.
func (c *conversation) ask(code uint16, body func(*encoder)) (uint16, *decoder, error) {
	if err := c.tell(code, body); err != nil {
		return 0, nil, err
	}
	answer, d := c.receive()
	if d.err == nil && (answer == codeDbError || answer == codeStoreError) {
		if reason := d.text(); d.err == nil {
			return 0, nil, &HostError{reason}
		}
	}
	return answer, d, d.err
}

// HostError is why the database or the storage did not do what it was asked.
type HostError struct {
	Reason string
}

func (e *HostError) Error() string { return e.Reason }

func unexpected(code uint16) error {
	return fmt.Errorf("the host answered with message %d, which is another's", code)
}
