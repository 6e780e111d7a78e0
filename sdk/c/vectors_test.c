/* Has the library say and understand the messages of sdk/vectors/abi.json: `vectors_test FILE`. */
#include "mu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *vectors;
static int failures;

static void check(bool holds, const char *what, const char *name) {
    if (!holds) {
        failures++;
        fprintf(stderr, "%s: %s\n", name, what);
    }
}

/* The value of `"field":"..."` on the line of the vector with this name. */
static char *field_of(const char *name, const char *field) {
    char wanted[64], key[32];
    snprintf(wanted, sizeof wanted, "\"name\":\"%s\"", name);
    snprintf(key, sizeof key, "\"%s\":\"", field);
    for (char *line = strtok(strdup(vectors), "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strstr(line, wanted) != NULL) {
            char *value = strstr(line, key) + strlen(key);
            return strndup(value, strcspn(value, "\""));
        }
    }
    fprintf(stderr, "there is no vector %s\n", name);
    exit(1);
}

/* The vector's bytes, to be read. */
static FILE *message(const char *name) {
    const char *digits = field_of(name, "bytes");
    FILE *file = tmpfile();
    for (; *digits != '\0'; digits += 2) {
        fputc((int)strtol((char[]){digits[0], digits[1], '\0'}, NULL, 16), file);
    }
    rewind(file);
    return file;
}

/* Whether what was written to `sent` ends with the vector's bytes. */
static void check_sent(FILE *sent, const char *name) {
    FILE *expected = message(name);
    rewind(sent);
    int one, other;
    do {
        one = fgetc(sent);
        other = fgetc(expected);
        check(one == other, "other bytes were sent", name);
    } while (one == other && one != EOF);
}

static mu_result with_answer(const char *answer, mu_bytes *value) {
    mu_use_streams(message(answer), tmpfile());
    return mu_table_get("t", "k", value);
}

static void questions(void) {
    mu_bytes value;
    FILE *sent;

    mu_use_streams(message("SingleResult"), sent = tmpfile());
    check(mu_table_get("t", "k", &value) == MU_DONE, "a value is found", "SingleResult");
    check(value.length == 2 && memcmp(value.data, "\xc3\x28", 3) == 0, "the value is another", "SingleResult");
    check_sent(sent, "Get");

    mu_use_streams(message("EmptyResult"), sent = tmpfile());
    check(mu_table_put("t", "k", "vv", 2) == MU_DONE, "it is written", "EmptyResult");
    check_sent(sent, "Put-2");

    mu_use_streams(message("EmptyResult"), sent = tmpfile());
    check(mu_table_delete("t", "k") == MU_DONE, "it is deleted", "EmptyResult");
    check_sent(sent, "Delete");

    check(with_answer("EmptyResult", &value) == MU_MISSING, "nothing is found", "EmptyResult");
    check(value.length == 0 && *value.data == '\0', "no value is empty", "EmptyResult");
    check(with_answer("DbError", &value) == MU_FAILED, "it fails", "DbError");
    check(strcmp(mu_error(), "oops") == 0, "the reason is told", "DbError");
}

static void lines(void) {
    static const char *const names[] = {"Log", "Log-2", "Log-3", "Log-4", "Log-5"};
    for (int level = MU_ERROR; level <= MU_TRACE; level++) {
        FILE *sent = tmpfile();
        mu_use_streams(NULL, sent);
        mu_log((mu_level)level, "%s%c", "h", 'i');
        check_sent(sent, names[level]);
    }
}

static void greet(const mu_request *request, mu_response *response) {
    const char *name = "ExecuteFunction";
    check(request->method == MU_POST, "the method is POST", name);
    check(strcmp(mu_path_param(request, "a", "?"), "1") == 0, "a path parameter is there", name);
    check(strcmp(mu_path_param(request, "b", "?"), "") == 0, "an empty path parameter is there", name);
    check(strcmp(mu_path_param(request, "c", "?"), "?") == 0, "a missing path parameter has a fallback", name);
    check(strcmp(mu_query_param(request, "name", "?"), "Zoe") == 0, "a query parameter is there", name);
    check(strcmp(mu_header(request, "x", "?"), "yz") == 0, "a header is found in any case", name);
    check(request->body.length == 3 && memcmp(request->body.data, "\x00\xff\x80", 4) == 0, "the body is whole", name);
    mu_respond_header(response, "Set-Cookie", "a=b");
    response->status = 201;
    response->body = "\x01\x02";
    response->body_length = 2;
}

static void serving(void) {
    FILE *sent = tmpfile();
    mu_use_streams(message("ExecuteFunction"), sent);
    static const mu_handler handlers[] = {{"other", NULL}, {"greet", greet}};
    check(mu_serve(handlers, 2) == 0, "it succeeds", "ExecuteFunction");
    check_sent(sent, "FunctionResult");
}

/* What ends the function, in a process of its own. */
static void failing(const char *input, void (*action)(void), const char *reason) {
    FILE *sent = tmpfile();
    pid_t child = fork();
    if (child == 0) {
        mu_use_streams(input != NULL ? message(input) : tmpfile(), sent);
        action();
        _exit(7);
    }
    int status;
    waitpid(child, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 1, "the function ends", reason);
    char text[256];
    rewind(sent);
    size_t length = fread(text, 1, sizeof text - 1, sent);
    text[length] = '\0';
    check(length > 6 && text[0] == 1 && text[1] == 0, "the last message is a fatal error", reason);
    check(strcmp(text + 6, reason) == 0, text + 6, reason);
}

static void fail(void) { mu_fail("%s", "bad"); }
static void serve_none(void) { mu_serve(NULL, 0); }

static void too_many_headers(void) {
    mu_response response = {0};
    for (;;) {
        mu_respond_header(&response, "a", "b");
    }
}

int main(int count, char **arguments) {
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
    if (file == NULL) {
        fprintf(stderr, "usage: vectors_test FILE\n");
        return 2;
    }
    vectors = calloc(1, 1 << 20);
    if (fread(vectors, 1, (1 << 20) - 1, file) == 0) {
        return 2;
    }
    questions();
    lines();
    serving();
    failing(NULL, fail, "bad");
    failing("ExecuteFunction", serve_none, "no handler is named greet");
    failing("EmptyResult", serve_none, "message 1007 came where a request was expected");
    failing(NULL, serve_none, "the runtime ended the conversation before its message was whole");
    failing(NULL, too_many_headers, "a response has at most 64 headers");
    printf("%s\n", failures == 0 ? "ok" : "failed");
    return failures == 0 ? 0 : 1;
}
