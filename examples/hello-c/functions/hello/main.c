/* Greets whoever is named in the path, and counts how often. */
#include <stdlib.h>

#include "mu.h"

/* GET / and GET /{name} */
static void greet(const mu_request *request, mu_response *response) {
    const char *name = mu_path_param(request, "name", "world");
    const char *greeting = getenv("GREETING");

    mu_bytes seen;
    if (mu_table_get("visits", name, &seen) == MU_FAILED) {
        mu_fail("reading the visits: %s", mu_error());
    }
    char count[24];
    int length = snprintf(count, sizeof count, "%ld", strtol(seen.data, NULL, 10) + 1);
    if (mu_table_put("visits", name, count, (size_t)length) == MU_FAILED) {
        mu_fail("counting a visit: %s", mu_error());
    }

    mu_log(MU_INFO, "greeting %s", name);
    mu_respond(response, 200, "%s, %s! Visit %s.\n", greeting ? greeting : "Hello", name, count);
}

int main(void) {
    static const mu_handler handlers[] = {{"greet", greet}};
    return mu_serve(handlers, sizeof handlers / sizeof *handlers);
}
