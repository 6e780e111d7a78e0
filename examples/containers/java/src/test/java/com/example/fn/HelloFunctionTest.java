package com.example.fn;

import static org.junit.Assert.assertEquals;

import com.fnproject.fn.testing.FnTestingRule;
import org.junit.Rule;
import org.junit.Test;

public class HelloFunctionTest {

    @Rule
    public final FnTestingRule testing = FnTestingRule.createDefault();

    @Test
    public void greetsByName() {
        testing.givenEvent().withHeader("Content-Type", "application/json").withBody("{\"name\": \"Ada\"}").enqueue();
        testing.thenRun(HelloFunction.class, "handleRequest");
        assertEquals("{\"message\":\"Hello Ada\"}", testing.getOnlyResult().getBodyAsString());
    }
}
