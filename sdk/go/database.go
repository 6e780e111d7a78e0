package mu

// Questions to muDB and their answers.
const (
	codePut            = 1001
	codeGet            = 1002
	codeDelete         = 1003
	codeDeleteByPrefix = 1004
	codeScan           = 1005
	codeScanKeys       = 1006
	codeTableList      = 1007
	codeBatchPut       = 1008
	codeBatchGet       = 1009
	codeBatchDelete    = 1010
	codeBatchScan      = 1011
	codeBatchScanKeys  = 1012
	codeCompareAndSwap = 1013

	codeSingleResult            = 1002
	codeListResult              = 1003
	codeKeyValueListResult      = 1004
	codeTableKeyListResult      = 1005
	codeTableKeyValueListResult = 1006
	codeEmptyResult             = 1007
	codeCasResult               = 1008
)

// KeyValue is a row of a table.
type KeyValue struct {
	Key   string
	Value []byte
}

// TableKey is the key of a row, and its table; or a prefix of keys.
type TableKey struct {
	Table string
	Key   string
}

// TableKeyValue is a row, and its table.
type TableKeyValue struct {
	Table string
	Key   string
	Value []byte
}

// Write says whether a write is ordered with CompareAndSwap on the same keys.
type Write bool

const (
	// Plain writes are cheaper.
	Plain Write = false
	// Atomic writes are ordered with CompareAndSwap, and cost twice as much.
	Atomic Write = true
)

// Table is a table of muDB: ordered keys with values. Keys are any bytes, compared one by one, and take at most
// 8 KiB; values take at most 1 MiB.
type Table string

// Get reads a value; nil if there is none.
func (t Table) Get(key string) ([]byte, error) {
	code, d, err := host.ask(codeGet, func(e *encoder) {
		e.text(string(t))
		e.text(key)
	})
	switch {
	case err != nil:
		return nil, err
	case code == codeEmptyResult:
		return nil, nil
	case code == codeSingleResult:
		return d.data(), d.err
	}
	return nil, unexpected(code)
}

// Put writes a value, replacing the one that is there.
func (t Table) Put(key string, value []byte) error { return t.put(key, value, Plain) }

// PutAtomic writes a value, ordered with CompareAndSwap.
func (t Table) PutAtomic(key string, value []byte) error { return t.put(key, value, Atomic) }

func (t Table) put(key string, value []byte, write Write) error {
	return done(codePut, func(e *encoder) {
		e.text(string(t))
		e.text(key)
		e.data(value)
		e.flag(bool(write))
	})
}

// Delete removes a value. That there is none is no error.
func (t Table) Delete(key string) error { return t.delete(key, Plain) }

// DeleteAtomic removes a value, ordered with CompareAndSwap.
func (t Table) DeleteAtomic(key string) error { return t.delete(key, Atomic) }

func (t Table) delete(key string, write Write) error {
	return done(codeDelete, func(e *encoder) {
		e.text(string(t))
		e.text(key)
		e.flag(bool(write))
	})
}

// DeleteByPrefix removes all values whose keys start with prefix.
func (t Table) DeleteByPrefix(prefix string) error {
	return done(codeDeleteByPrefix, func(e *encoder) {
		e.text(string(t))
		e.text(prefix)
	})
}

// Scan reads the first limit rows whose keys start with prefix, in key order.
func (t Table) Scan(prefix string, limit uint32) ([]KeyValue, error) {
	return list(codeScan, codeKeyValueListResult, t.scan(prefix, limit), decodeKeyValue)
}

// ScanKeys reads the first limit keys that start with prefix, in order.
func (t Table) ScanKeys(prefix string, limit uint32) ([]string, error) {
	return list(codeScanKeys, codeListResult, t.scan(prefix, limit), decodeKey)
}

func (t Table) scan(prefix string, limit uint32) func(*encoder) {
	return func(e *encoder) {
		e.text(string(t))
		e.text(prefix)
		e.u32(limit)
	}
}

// CompareAndSwap writes value if the present one is previous, where nil means that there is none. It answers the
// value that was found, and whether it was as expected and the new one was written.
func (t Table) CompareAndSwap(key string, previous, value []byte) (found []byte, isSwapped bool, err error) {
	code, d, err := host.ask(codeCompareAndSwap, func(e *encoder) {
		e.text(string(t))
		e.text(key)
		e.data(value)
		e.optional(previous)
	})
	if err != nil {
		return nil, false, err
	}
	if code != codeCasResult {
		return nil, false, unexpected(code)
	}
	found, isSwapped = d.optional(), d.flag()
	return found, isSwapped, d.err
}

// Tables answers the names of the stack's tables that start with prefix.
func Tables(prefix string) ([]string, error) {
	return list(codeTableList, codeListResult, func(e *encoder) { e.text(prefix) }, decodeKey)
}

// BatchPut writes several rows.
func BatchPut(rows []TableKeyValue, write Write) error {
	return done(codeBatchPut, func(e *encoder) {
		encodeList(e, rows, encodeTableKeyValue)
		e.flag(bool(write))
	})
}

// BatchGet reads several rows; those that don't exist are left out.
func BatchGet(keys []TableKey) ([]TableKeyValue, error) {
	body := func(e *encoder) { encodeList(e, keys, encodeTableKey) }
	return list(codeBatchGet, codeTableKeyValueListResult, body, decodeTableKeyValue)
}

// BatchDelete removes several rows.
func BatchDelete(keys []TableKey) error {
	return done(codeBatchDelete, func(e *encoder) { encodeList(e, keys, encodeTableKey) })
}

// BatchScan reads rows by several prefixes of keys, and at most eachLimit of each.
func BatchScan(prefixes []TableKey, eachLimit uint32) ([]TableKeyValue, error) {
	return list(codeBatchScan, codeTableKeyValueListResult, batchScan(prefixes, eachLimit), decodeTableKeyValue)
}

// BatchScanKeys reads keys by several prefixes, and at most eachLimit of each.
func BatchScanKeys(prefixes []TableKey, eachLimit uint32) ([]TableKey, error) {
	return list(codeBatchScanKeys, codeTableKeyListResult, batchScan(prefixes, eachLimit), decodeTableKey)
}

func batchScan(prefixes []TableKey, eachLimit uint32) func(*encoder) {
	return func(e *encoder) {
		encodeList(e, prefixes, encodeTableKey)
		e.u32(eachLimit)
	}
}

// done asks for something that is answered with nothing.
func done(question uint16, body func(*encoder)) error {
	code, _, err := host.ask(question, body)
	if err == nil && code != codeEmptyResult {
		return unexpected(code)
	}
	return err
}

// list asks for something that is answered with a list.
func list[T any](question, answer uint16, body func(*encoder), item func(*decoder) T) ([]T, error) {
	code, d, err := host.ask(question, body)
	if err != nil {
		return nil, err
	}
	if code != answer {
		return nil, unexpected(code)
	}
	items := decodeList(d, item)
	return items, d.err
}

// decodeKey reads a key, which may be any bytes; a string of Go holds any.
func decodeKey(d *decoder) string { return string(d.data()) }

func decodeKeyValue(d *decoder) KeyValue { return KeyValue{decodeKey(d), d.data()} }

func encodeTableKey(e *encoder, row TableKey) {
	e.text(row.Table)
	e.text(row.Key)
}

func decodeTableKey(d *decoder) TableKey { return TableKey{d.text(), decodeKey(d)} }

func encodeTableKeyValue(e *encoder, row TableKeyValue) {
	e.text(row.Table)
	e.text(row.Key)
	e.data(row.Value)
}

func decodeTableKeyValue(d *decoder) TableKeyValue {
	return TableKeyValue{d.text(), decodeKey(d), d.data()}
}
