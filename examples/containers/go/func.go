// Greets whoever is named in the body: {"name": "Ada"}.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"

	fdk "github.com/fnproject/fdk-go"
)

type person struct {
	Name string `json:"name"`
}

type greeting struct {
	Message string `json:"message"`
}

func main() {
	fdk.Handle(fdk.HandlerFunc(greet))
}

func greet(_ context.Context, in io.Reader, out io.Writer) {
	p := person{Name: "World"}
	if err := json.NewDecoder(in).Decode(&p); err != nil && err != io.EOF {
		log.Print("not a person: ", err)
	}
	log.Print("greeting ", p.Name)
	if err := json.NewEncoder(out).Encode(greeting{Message: "Hello " + p.Name}); err != nil {
		log.Print("answering: ", err)
	}
}
