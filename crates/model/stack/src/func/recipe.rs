//! How the image of a function is built.

use std::fmt::Write as _;

use serde_json::json;

use crate::image_ref::ImageRef;

use super::{FuncFile, FuncLanguage, FuncRuntime};

/// The file of a folder that says how its image is built.
pub const DOCKERFILE: &str = "Dockerfile";

/// Where Project Fn's images are. Not every builder looks there for a name without a registry.
const FN_IMAGES: &str = "docker.io/fnproject";

/// The release of Project Fn's images for Java that functions are built in and run on.
const JAVA_RELEASE: &str = "1.0.187";

/// How the image of a function is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// As the folder's own `Dockerfile` says.
    Own,
    /// As this text says, which is a `Dockerfile` as well: one stage to build, one to run.
    Made(String),
}

/// Nothing says how the image of a function is built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRecipe {
    /// There is neither a runtime nor a `Dockerfile`.
    #[error("the func file has no `runtime`, and there is no Dockerfile beside it")]
    NoRuntime,
    /// The runtime is `docker`, and there is no `Dockerfile`.
    #[error("`runtime: docker` is built from a Dockerfile, and there is none beside the func file")]
    NoDockerfile,
    /// mu writes none for this language, and there is no `Dockerfile`.
    #[error("mu writes no Dockerfile for `runtime: {language}`; put one beside the func file")]
    Language {
        /// The language.
        language: FuncLanguage,
    },
    /// The file that the language can't do without is not there.
    #[error("a function of `runtime: {language}` has a file `{file}`, and it is not there")]
    Missing {
        /// The language.
        language: FuncLanguage,
        /// The file.
        file: &'static str,
    },
}

impl Recipe {
    /// The recipe of a function, in whose folder are the files that `has` knows. A `Dockerfile` there counts, whatever the
    /// func file says.
    ///
    /// # Errors
    /// When nothing says how, or what the language needs is not there.
    pub fn of(file: Option<&FuncFile>, has: impl Fn(&str) -> bool) -> Result<Self, NoRecipe> {
        if has(DOCKERFILE) {
            return Ok(Self::Own);
        }
        let described = file.and_then(|file| Some((file, file.runtime.as_ref()?)));
        let (file, runtime) = described.ok_or(NoRecipe::NoRuntime)?;
        let language = runtime.language;
        let required = |file| if has(file) { Ok(()) } else { Err(NoRecipe::Missing { language, file }) };
        let kit = match language {
            FuncLanguage::Python => python(&has),
            FuncLanguage::Node => node(&has),
            FuncLanguage::Go => {
                required("go.mod")?;
                go(&has)
            }
            FuncLanguage::Java => {
                required("pom.xml")?;
                java()
            }
            FuncLanguage::Docker => return Err(NoRecipe::NoDockerfile),
            FuncLanguage::Ruby | FuncLanguage::Kotlin | FuncLanguage::Dotnet => {
                return Err(NoRecipe::Language { language });
            }
        };
        Ok(Self::Made(kit.dockerfile(file, runtime)))
    }
}

/// What a language needs in its two stages.
struct Kit {
    /// The images of a version of the language, to build in and to run on.
    images: fn(Option<&str>) -> (String, String),
    /// Before the function's own steps.
    before: Vec<&'static str>,
    /// After them.
    after: Vec<&'static str>,
    /// In the second stage.
    run: &'static [&'static str],
    entrypoint: &'static [&'static str],
    cmd: &'static [&'static str],
}

impl Kit {
    fn dockerfile(&self, file: &FuncFile, runtime: &FuncRuntime) -> String {
        let (build_image, run_image) = (self.images)(runtime.version.as_deref());
        let named = |image: &ImageRef| image.with_registry().to_string();
        let build_image = file.build_image.as_ref().map_or(build_image, named);
        let run_image = file.run_image.as_ref().map_or(run_image, named);
        let mut text = String::new();
        let mut line = |line: &str| {
            let _ = writeln!(text, "{line}");
        };
        line(&format!("FROM {build_image} AS build-stage"));
        line("WORKDIR /function");
        self.before.iter().for_each(|step| line(step));
        file.build.iter().for_each(|step| line(&format!("RUN {step}")));
        self.after.iter().for_each(|step| line(step));
        line("");
        line(&format!("FROM {run_image}"));
        line("WORKDIR /function");
        self.run.iter().for_each(|step| line(step));
        // As JSON, so that no shell is asked what it means.
        let own = |words: &[String], usual: &[&str]| if words.is_empty() { json!(usual) } else { json!(words) };
        for (word, command) in
            [("ENTRYPOINT", own(&file.entrypoint, self.entrypoint)), ("CMD", own(&file.cmd, self.cmd))]
        {
            if command != json!([]) {
                line(&format!("{word} {command}"));
            }
        }
        text
    }
}

fn python(has: &impl Fn(&str) -> bool) -> Kit {
    let requirements = [
        "COPY requirements.txt ./",
        "RUN pip3 install --no-cache-dir --target /python -r requirements.txt",
        "COPY . .",
    ];
    Kit {
        images: |version| images("python", version.unwrap_or("3.11")),
        before: if has("requirements.txt") { requirements.to_vec() } else { vec!["RUN mkdir -p /python", "COPY . ."] },
        // A container can't keep what it compiles, and would compile the function again at every start.
        after: vec![
            "RUN python3 -m compileall -q --invalidation-mode unchecked-hash /function; chmod -R a+rX /function /python",
        ],
        run: &[
            "COPY --from=build-stage /python /python",
            "COPY --from=build-stage /function /function",
            "ENV PYTHONPATH=/function:/python",
        ],
        entrypoint: &["/python/bin/fdk", "/function/func.py", "handler"],
        cmd: &[],
    }
}

fn node(has: &impl Fn(&str) -> bool) -> Kit {
    let install = match (has("package.json"), has("package-lock.json")) {
        (true, true) => vec!["COPY package.json package-lock.json ./", "RUN npm ci --omit=dev"],
        (true, false) => vec!["COPY package.json ./", "RUN npm install --omit=dev"],
        (false, _) => Vec::new(),
    };
    Kit {
        images: |version| images("node", version.unwrap_or("20")),
        before: [install, vec!["COPY . ."]].concat(),
        after: vec!["RUN chmod -R a+rX /function"],
        run: &["COPY --from=build-stage /function /function"],
        entrypoint: &["node", "func.js"],
        cmd: &[],
    }
}

fn go(has: &impl Fn(&str) -> bool) -> Kit {
    let tidy: &[&str] = if has("go.sum") { &[] } else { &["RUN go mod tidy"] };
    Kit {
        images: |version| images("go", version.unwrap_or("1.24")),
        before: vec!["COPY . ."],
        // Static, so that it runs on whichever image is there to run on.
        after: [tidy, &["RUN CGO_ENABLED=0 go build -o /build/func . && chmod a+rx /build/func"]].concat(),
        run: &["COPY --from=build-stage /build/func /function/func"],
        entrypoint: &["./func"],
        cmd: &[],
    }
}

fn java() -> Kit {
    Kit {
        images: |version| {
            // The images of Java 8 have no version in their tags.
            let tag = |kit: &str| match version.unwrap_or("17") {
                "8" | "1.8" => JAVA_RELEASE.to_owned(),
                version => format!("{kit}{version}-{JAVA_RELEASE}"),
            };
            let image = |name: &str, kit| format!("{FN_IMAGES}/{name}:{}", tag(kit));
            (image("fn-java-fdk-build", "jdk"), image("fn-java-fdk", "jre"))
        },
        before: vec![
            "ENV MAVEN_OPTS=-Dmaven.repo.local=/usr/share/maven/ref/repository",
            "COPY pom.xml ./",
            "RUN mvn --batch-mode dependency:copy-dependencies -DincludeScope=runtime -Dmdep.prependGroupId=true -DoutputDirectory=target",
            "COPY . .",
        ],
        after: vec!["RUN mvn --batch-mode package && chmod -R a+rX target"],
        run: &["COPY --from=build-stage /function/target/*.jar /function/app/"],
        // The image has an entry point, which takes the method as its argument.
        entrypoint: &[],
        cmd: &["com.example.fn.HelloFunction::handleRequest"],
    }
}

/// Project Fn's images of a language.
fn images(language: &str, version: &str) -> (String, String) {
    (format!("{FN_IMAGES}/{language}:{version}-dev"), format!("{FN_IMAGES}/{language}:{version}"))
}
