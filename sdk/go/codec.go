package mu

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sort"
	"unicode/utf8"
)

// The Borsh rules, as far as the messages use them: integers are little-endian; text, bytes and lists are a count of
// 32 bits and their items; a boolean, an option and a variant are one byte; a map is a count and its pairs, sorted.

// encoder appends values to a message.
type encoder struct {
	bytes []byte
}

func (e *encoder) u8(value uint8)   { e.bytes = append(e.bytes, value) }
func (e *encoder) u16(value uint16) { e.bytes = binary.LittleEndian.AppendUint16(e.bytes, value) }
func (e *encoder) u32(value uint32) { e.bytes = binary.LittleEndian.AppendUint32(e.bytes, value) }
func (e *encoder) u64(value uint64) { e.bytes = binary.LittleEndian.AppendUint64(e.bytes, value) }

func (e *encoder) flag(value bool) {
	if value {
		e.u8(1)
	} else {
		e.u8(0)
	}
}

func (e *encoder) data(value []byte) {
	e.u32(uint32(len(value)))
	e.bytes = append(e.bytes, value...)
}

func (e *encoder) text(value string) {
	e.u32(uint32(len(value)))
	e.bytes = append(e.bytes, value...)
}

func (e *encoder) optional(value []byte) {
	e.flag(value != nil)
	if value != nil {
		e.data(value)
	}
}

func (e *encoder) texts(values map[string]string) {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	e.u32(uint32(len(names)))
	for _, name := range names {
		e.text(name)
		e.text(values[name])
	}
}

// encodeList writes the count of a list, then its items.
func encodeList[T any](e *encoder, items []T, item func(*encoder, T)) {
	e.u32(uint32(len(items)))
	for _, each := range items {
		item(e, each)
	}
}

// decoder reads values one after another. After an error it reads zeroes, and the error stays.
type decoder struct {
	input io.Reader
	err   error
}

func (d *decoder) fail(format string, values ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("invalid message: "+format, values...)
	}
}

func (d *decoder) exactly(count int) []byte {
	var read bytes.Buffer
	if d.err == nil {
		// Copied as it arrives: memory is taken for bytes that there are, not for those that are promised.
		_, d.err = io.CopyN(&read, d.input, int64(count))
	}
	if d.err != nil {
		return make([]byte, min(count, 8))
	}
	return read.Bytes()
}

func (d *decoder) u8() uint8   { return d.exactly(1)[0] }
func (d *decoder) u16() uint16 { return binary.LittleEndian.Uint16(d.exactly(2)) }
func (d *decoder) u32() uint32 { return binary.LittleEndian.Uint32(d.exactly(4)) }
func (d *decoder) u64() uint64 { return binary.LittleEndian.Uint64(d.exactly(8)) }

func (d *decoder) flag() bool {
	tag := d.u8()
	if tag > 1 {
		d.fail("a boolean is %d", tag)
	}
	return tag == 1
}

func (d *decoder) data() []byte {
	count := int(d.u32())
	read := d.exactly(count)
	if d.err != nil {
		return nil
	}
	if read == nil {
		read = []byte{}
	}
	return read
}

func (d *decoder) text() string {
	read := d.data()
	if !utf8.Valid(read) {
		d.fail("text is not UTF-8")
	}
	return string(read)
}

func (d *decoder) optional() []byte {
	if d.flag() {
		return d.data()
	}
	return nil
}

func (d *decoder) texts() map[string]string {
	values := map[string]string{}
	for count := d.u32(); count > 0 && d.err == nil; count-- {
		name := d.text()
		values[name] = d.text()
	}
	return values
}

// decodeList reads the count of a list, then its items.
func decodeList[T any](d *decoder, item func(*decoder) T) []T {
	items := []T{}
	for count := d.u32(); count > 0 && d.err == nil; count-- {
		items = append(items, item(d))
	}
	return items
}
