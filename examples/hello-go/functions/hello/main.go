// Greets whoever is named in the path, and counts how often.
package main

import (
	"cmp"
	"log"
	"os"
	"strconv"

	"mu"
)

func main() {
	mu.Serve(mu.Handlers{"greet": greet})
}

// greet answers GET / and GET /{name}.
func greet(request *mu.Request) (*mu.Response, error) {
	name := request.Param("name", "world")
	visits := mu.Table("visits")

	seen, err := visits.Get(name)
	if err != nil {
		return nil, err
	}
	count, _ := strconv.Atoi(string(seen))
	count++
	if err := visits.Put(name, []byte(strconv.Itoa(count))); err != nil {
		return nil, err
	}

	log.Printf("greeting %s", name)
	return mu.Text("%s, %s! Visit %d.\n", cmp.Or(os.Getenv("GREETING"), "Hello"), name, count), nil
}
