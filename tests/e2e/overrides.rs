//! A function's environment on this machine: `env`, then `env_dev`, then `MU_FN_*` of the shell.

use serde_json::{Value, json};

use crate::support::{Project, guest, mu};

fn environment(project: &Project, variables: &[(&str, &str)]) -> Value {
    let mut command = mu(project.path(), &["invoke", "kit.envs"]);
    let called = command.envs(variables.iter().copied()).output().unwrap();
    assert!(called.status.success(), "{}", String::from_utf8_lossy(&called.stderr));
    serde_json::from_slice(&called.stdout).unwrap()
}

#[test]
fn later_layers_win_and_nothing_of_the_machine_leaks() {
    let project = Project::of_modules(&[("kit", &guest("kit.wasm"))]);
    project.replace(
        "mu.yaml",
        "    module: kit.wasm\n",
        "    module: kit.wasm\n    env: { A: env, B: env, C: env }\n    env_dev: { B: dev, C: dev }\n",
    );
    assert_eq!(environment(&project, &[]), json!({"A": "env", "B": "dev", "C": "dev"}));
    assert_eq!(
        environment(&project, &[("MU_FN_C", "shell"), ("MU_FN_D", "shell"), ("E", "machine")]),
        json!({"A": "env", "B": "dev", "C": "shell", "D": "shell"})
    );
}
