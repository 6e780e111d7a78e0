package mu

// Questions to mu Storage and their answers.
const (
	codeStoragePut    = 2001
	codeStorageGet    = 2002
	codeStorageDelete = 2003
	codeStorageList   = 2004

	codeStorageGetResult   = 2002
	codeStorageEmptyResult = 2003
	codeObjectListResult   = 2004
)

// Object is an object in a box.
type Object struct {
	Key string
	// Size is the length of its content in bytes.
	Size uint64
}

// Box is a box of mu Storage: objects by their keys.
type Box string

// Get reads an object.
func (b Box) Get(key string) ([]byte, error) {
	code, d, err := host.ask(codeStorageGet, b.question(key))
	if err != nil {
		return nil, err
	}
	if code != codeStorageGetResult {
		return nil, unexpected(code)
	}
	return d.data(), d.err
}

// Put writes an object, replacing the one that is there.
func (b Box) Put(key string, content []byte) error {
	return b.done(codeStoragePut, func(e *encoder) {
		b.question(key)(e)
		e.data(content)
	})
}

// Delete removes an object.
func (b Box) Delete(key string) error { return b.done(codeStorageDelete, b.question(key)) }

// List answers the objects whose keys start with prefix.
func (b Box) List(prefix string) ([]Object, error) {
	return list(codeStorageList, codeObjectListResult, b.question(prefix), decodeObject)
}

func (b Box) question(key string) func(*encoder) {
	return func(e *encoder) {
		e.text(string(b))
		e.text(key)
	}
}

func (b Box) done(question uint16, body func(*encoder)) error {
	code, _, err := host.ask(question, body)
	if err == nil && code != codeStorageEmptyResult {
		return unexpected(code)
	}
	return err
}

func decodeObject(d *decoder) Object { return Object{d.text(), d.u64()} }
