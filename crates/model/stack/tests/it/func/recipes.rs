//! How images are built.

use mu_stack::func::{FuncFile, NoRecipe, Recipe};

fn recipe(text: &str, files: &[&str]) -> Result<Recipe, NoRecipe> {
    let file = FuncFile::parse("func.yaml", text.as_bytes()).unwrap_or_else(|report| panic!("{report}"));
    Recipe::of(Some(&file), |name| files.contains(&name))
}

#[test]
fn every_language_has_two_stages() {
    let mut made = String::new();
    for (text, files) in [
        ("runtime: python", &["func.py", "requirements.txt"][..]),
        (
            "{runtime: python3.9, build_image: 'localhost:5000/py:dev', run_image: 'localhost:5000/py:1', entrypoint: python3 'my func.py', build: [make, apt-get update]}",
            &["func.py"],
        ),
        ("runtime: node", &["func.js", "package.json"]),
        ("{runtime: 'node:18', cmd: --flag}", &["package.json", "package-lock.json"]),
        ("runtime: node", &["func.js"]),
        ("runtime: go", &["go.mod"]),
        ("runtime: go1.23", &["go.mod", "go.sum"]),
        ("runtime: java", &["pom.xml"]),
        ("{runtime: java8, cmd: 'com.example.Other::handle'}", &["pom.xml"]),
        ("runtime: java21", &["pom.xml"]),
    ] {
        let Ok(Recipe::Made(text_of)) = recipe(text, files) else { panic!("{text}") };
        made.push_str(&format!("=== {text} [{}]\n{text_of}\n", files.join(", ")));
    }
    insta::assert_snapshot!(made);
}

#[test]
fn a_dockerfile_of_ones_own() {
    assert_eq!(recipe("runtime: docker", &["Dockerfile"]), Ok(Recipe::Own));
    assert_eq!(recipe("name: a", &["Dockerfile"]), Ok(Recipe::Own));
    assert_eq!(Recipe::of(None, |name| name == "Dockerfile"), Ok(Recipe::Own));
    for language in ["python", "go", "ruby3.1", "kotlin", "dotnet"] {
        assert_eq!(recipe(&format!("runtime: {language}"), &["Dockerfile"]), Ok(Recipe::Own));
    }
    for (text, files, told) in [
        (
            "runtime: docker",
            &[][..],
            "`runtime: docker` is built from a Dockerfile, and there is none beside the func file",
        ),
        ("name: a", &["func.py"], "the func file has no `runtime`, and there is no Dockerfile beside it"),
        ("runtime: ruby3.1", &["func.rb"], "mu writes no Dockerfile for `runtime: ruby`; put one beside the func file"),
        ("runtime: go", &["func.go"], "a function of `runtime: go` has a file `go.mod`, and it is not there"),
        ("runtime: java", &[], "a function of `runtime: java` has a file `pom.xml`, and it is not there"),
    ] {
        assert_eq!(recipe(text, files).unwrap_err().to_string(), told);
    }
}
