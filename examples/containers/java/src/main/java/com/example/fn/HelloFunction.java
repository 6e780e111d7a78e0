package com.example.fn;

/** Greets whoever is named in the body: {"name": "Ada"}. */
public class HelloFunction {

    public static class Person {
        public String name;
    }

    public static class Greeting {
        public final String message;

        Greeting(String message) {
            this.message = message;
        }
    }

    public Greeting handleRequest(Person person) {
        String name = person == null || person.name == null ? "World" : person.name;
        System.err.println("greeting " + name);
        return new Greeting("Hello " + name);
    }
}
