package mu

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"strconv"
	"testing"
)

// vector is a message of sdk/vectors/abi.json: its bytes, and what it says.
type vector struct {
	Name   string
	Kind   string
	Bytes  string
	Fields fields
}

// fields has text as text and bytes as hexadecimal digits.
type fields map[string]any

func vectors(t *testing.T) (incoming, outgoing []vector) {
	t.Helper()
	text, err := os.ReadFile("../vectors/abi.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Incoming, Outgoing []vector }
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all.Incoming, all.Outgoing
}

// TestOutgoing has every message made that a function can send.
func TestOutgoing(t *testing.T) {
	_, outgoing := vectors(t)
	for _, vector := range outgoing {
		t.Run(vector.Name, func(t *testing.T) {
			send, ok := senders[vector.Kind]
			if !ok {
				t.Fatalf("no call sends a %s", vector.Kind)
			}
			var sent bytes.Buffer
			host = &conversation{&bytes.Buffer{}, &sent}
			send(vector.Fields)
			if got := hex.EncodeToString(sent.Bytes()); got != vector.Bytes {
				t.Errorf("sent %s, want %s", got, vector.Bytes)
			}
		})
	}
}

var senders = map[string]func(fields){
	"FatalError":     func(f fields) { fatal(errorText(f.text("error"))) },
	"FunctionResult": func(f fields) { Handlers{"": func(*Request) (*Response, error) { return f.response(), nil }}.serve() },
	"Log":            func(f fields) { Log(levels[f.text("level")], "%s", f.text("body")) },
	"Put":            func(f fields) { _ = f.table().put(f.bytes("key"), []byte(f.bytes("value")), f.write()) },
	"Get":            func(f fields) { _, _ = f.table().Get(f.bytes("key")) },
	"Delete":         func(f fields) { _ = f.table().delete(f.bytes("key"), f.write()) },
	"DeleteByPrefix": func(f fields) { _ = f.table().DeleteByPrefix(f.bytes("key_prefix")) },
	"Scan":           func(f fields) { _, _ = f.table().Scan(f.bytes("key_prefix"), f.count("limit")) },
	"ScanKeys":       func(f fields) { _, _ = f.table().ScanKeys(f.bytes("key_prefix"), f.count("limit")) },
	"TableList":      func(f fields) { _, _ = Tables(f.text("table_prefix")) },
	"BatchPut": func(f fields) {
		rows := []TableKeyValue{}
		for _, row := range f.list("items") {
			rows = append(rows, TableKeyValue{row.text("table"), row.bytes("key"), []byte(row.bytes("value"))})
		}
		_ = BatchPut(rows, f.write())
	},
	"BatchGet":      func(f fields) { _, _ = BatchGet(f.keys("keys", "key")) },
	"BatchDelete":   func(f fields) { _ = BatchDelete(f.keys("keys", "key")) },
	"BatchScan":     func(f fields) { _, _ = BatchScan(f.keys("prefixes", "key_prefix"), f.count("each_limit")) },
	"BatchScanKeys": func(f fields) { _, _ = BatchScanKeys(f.keys("prefixes", "key_prefix"), f.count("each_limit")) },
	"CompareAndSwap": func(f fields) {
		var previous []byte
		if f["previous_value"] != nil {
			previous = []byte(f.bytes("previous_value"))
		}
		_, _, _ = f.table().CompareAndSwap(f.bytes("key"), previous, []byte(f.bytes("new_value")))
	},
	"StoragePut":    func(f fields) { _ = f.box().Put(f.text("key"), []byte(f.bytes("data"))) },
	"StorageGet":    func(f fields) { _, _ = f.box().Get(f.text("key")) },
	"StorageDelete": func(f fields) { _ = f.box().Delete(f.text("key")) },
	"StorageList":   func(f fields) { _, _ = f.box().List(f.text("prefix")) },
	"HttpRequest": func(f fields) {
		body := []byte(f.bytes("body"))
		_, _ = Send(HTTPRequest{f.text("method"), f.text("url"), f.headers(), body, f.text("version")})
	},
}

// TestIncoming has every message read that the runtime can send.
func TestIncoming(t *testing.T) {
	incoming, _ := vectors(t)
	for _, vector := range incoming {
		t.Run(vector.Name, func(t *testing.T) {
			read, ok := readers[vector.Kind]
			if !ok {
				t.Fatalf("no call reads a %s", vector.Kind)
			}
			message, err := hex.DecodeString(vector.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			input := bytes.NewBuffer(message)
			host = &conversation{input, &bytes.Buffer{}}
			if got := read(); !reflect.DeepEqual(plain(t, got), plain(t, vector.Fields)) {
				t.Errorf("read %v, want %v", got, vector.Fields)
			}
			if input.Len() > 0 {
				t.Errorf("%d bytes were not read", input.Len())
			}
			for length := range message {
				host = &conversation{bytes.NewBuffer(message[:length]), &bytes.Buffer{}}
				if got := read(); got["error_of_call"] == nil {
					t.Fatalf("the first %d bytes were read as %v", length, got)
				}
			}
		})
	}
}

var readers = map[string]func() fields{
	"ExecuteFunction": func() fields {
		name, request, err := execution(host)
		if err != nil {
			return failedCall(err)
		}
		return fields{"function": name, "request": fields{
			"method": request.Method, "path_params": request.PathParams, "query_params": request.QueryParams,
			"headers": headersOf(request.Headers), "body": digits(request.Body),
		}}
	},
	"DbError":      func() fields { return toldError(Table("t").Put("k", nil)) },
	"StorageError": func() fields { return toldError(Box("b").Put("k", nil)) },
	"SingleResult": func() fields {
		value, err := Table("t").Get("k")
		return answer(err, func() fields { return fields{"item": digits(value)} })
	},
	"ListResult": func() fields {
		keys, err := Table("t").ScanKeys("", 1)
		return listed(keys, err, func(key string) any { return digits([]byte(key)) })
	},
	"KeyValueListResult": func() fields {
		rows, err := Table("t").Scan("", 1)
		return listed(rows, err, func(r KeyValue) any {
			return fields{"key": digits([]byte(r.Key)), "value": digits(r.Value)}
		})
	},
	"TableKeyListResult": func() fields {
		rows, err := BatchScanKeys(nil, 1)
		return listed(rows, err, func(r TableKey) any { return fields{"table": r.Table, "key": digits([]byte(r.Key))} })
	},
	"TableKeyValueListResult": func() fields {
		rows, err := BatchGet(nil)
		return listed(rows, err, func(r TableKeyValue) any {
			return fields{"table": r.Table, "key": digits([]byte(r.Key)), "value": digits(r.Value)}
		})
	},
	"EmptyResult": func() fields { return answer(Table("t").Delete("k"), func() fields { return fields{} }) },
	"CasResult": func() fields {
		found, isSwapped, err := Table("t").CompareAndSwap("k", nil, nil)
		return answer(err, func() fields {
			if found == nil {
				return fields{"previous_value": nil, "is_swapped": isSwapped}
			}
			return fields{"previous_value": digits(found), "is_swapped": isSwapped}
		})
	},
	"StorageGetResult": func() fields {
		content, err := Box("b").Get("k")
		return answer(err, func() fields { return fields{"data": digits(content)} })
	},
	"StorageEmptyResult": func() fields { return answer(Box("b").Delete("k"), func() fields { return fields{} }) },
	"ObjectListResult": func() fields {
		objects, err := Box("b").List("")
		return listed(objects, err, func(o Object) any {
			return fields{"key": o.Key, "size": strconv.FormatUint(o.Size, 10)}
		})
	},
	"HttpResponse": func() fields {
		response, err := Fetch("http://x/")
		if failure, ok := err.(*HTTPError); ok {
			told := fields{"kind": failure.Kind, "reason": failure.Reason}
			if failure.Kind == "status" {
				told = fields{"kind": failure.Kind, "status": failure.Status}
			}
			return fields{"response": nil, "error": told}
		}
		return answer(err, func() fields {
			return fields{"error": nil, "response": fields{
				"status": response.Status, "headers": headersOf(response.Headers), "body": digits(response.Body),
			}}
		})
	},
}

type errorText string

func (e errorText) Error() string { return string(e) }

var levels = map[string]Level{
	"error": LevelError, "warn": LevelWarn, "info": LevelInfo, "debug": LevelDebug, "trace": LevelTrace,
}

// serve has a request answered, without the bytes of the request.
func (h Handlers) serve() {
	response, _ := h.answer("", &Request{})
	_ = host.tell(codeFunctionResult, func(e *encoder) { encodeResponse(e, response) })
}

func (f fields) text(name string) string  { return f[name].(string) }
func (f fields) table() Table             { return Table(f.text("table")) }
func (f fields) box() Box                 { return Box(f.text("storage_name")) }
func (f fields) write() Write             { return Write(f["is_atomic"].(bool)) }
func (f fields) count(name string) uint32 { return uint32(f[name].(float64)) }

func (f fields) bytes(name string) string {
	decoded, err := hex.DecodeString(f.text(name))
	if err != nil {
		panic(err)
	}
	return string(decoded)
}

func (f fields) list(name string) []fields {
	items := []fields{}
	for _, item := range f[name].([]any) {
		items = append(items, item.(map[string]any))
	}
	return items
}

func (f fields) keys(name, key string) []TableKey {
	keys := []TableKey{}
	for _, row := range f.list(name) {
		keys = append(keys, TableKey{row.text("table"), row.bytes(key)})
	}
	return keys
}

func (f fields) headers() []Header {
	headers := []Header{}
	for _, header := range f.list("headers") {
		headers = append(headers, Header{header.text("name"), header.text("value")})
	}
	return headers
}

func (f fields) response() *Response {
	response := fields(f["response"].(map[string]any))
	return &Response{int(response.count("status")), response.headers(), []byte(response.bytes("body"))}
}

func digits(value []byte) string { return hex.EncodeToString(value) }

func headersOf(headers []Header) []any {
	list := []any{}
	for _, header := range headers {
		list = append(list, fields{"name": header.Name, "value": header.Value})
	}
	return list
}

func failedCall(err error) fields { return fields{"error_of_call": err.Error()} }

// toldError is what the host told to be wrong; an error of another kind is one of the call.
func toldError(err error) fields {
	if _, isOfHost := err.(*HostError); isOfHost {
		return fields{"error": err.Error()}
	}
	return failedCall(err)
}

func answer(err error, of func() fields) fields {
	if err != nil {
		return failedCall(err)
	}
	return of()
}

func listed[T any](items []T, err error, of func(T) any) fields {
	return answer(err, func() fields {
		list := []any{}
		for _, item := range items {
			list = append(list, of(item))
		}
		return fields{"list": list}
	})
}

// plain is the value as JSON has it, so that numbers and maps of other types compare.
func plain(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var read any
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}
