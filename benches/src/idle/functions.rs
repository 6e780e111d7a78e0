//! Stacks of tiny functions, each with code of its own.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mu_abi::{Outgoing, Response, Status};
use mu_invoke::{DeployParams, Secrets};
use mu_runtime::{Artifact, ContentHash};
use mu_stack::{Env, Manifest, Runtime, StackId};

use crate::wasm::escaped;

/// As many as fit into a stack beside their gateway, in round numbers.
pub(super) const FUNCTIONS_PER_STACK: usize = 250;

/// Stack 0 has one function and serves to warm the node; the others are full.
pub(super) struct Functions {
    folder: PathBuf,
    runtime: Runtime,
    /// The hashes of all functions, by stack.
    hashes: Vec<Vec<ContentHash>>,
}

impl Functions {
    /// Writes the code of stack 0 and of `stacks` more into the folder.
    pub(super) fn write(folder: &Path, runtime: Runtime, stacks: usize) {
        for stack in 0..=stacks {
            for function in 0..functions_of(stack) {
                let code = code(runtime, stack * FUNCTIONS_PER_STACK + function);
                fs::write(file(folder, stack, function), code).expect("there is room on the disk");
            }
        }
    }

    /// Finds what was written. Nothing but hashes is kept in memory.
    pub(super) fn read(folder: &Path, runtime: Runtime, stacks: usize) -> Self {
        let hash = |stack, function| {
            ContentHash::of(&fs::read(file(folder, stack, function)).expect("the function was written"))
        };
        let hashes = (0..=stacks).map(|stack| (0..functions_of(stack)).map(|f| hash(stack, f)).collect()).collect();
        Self { folder: folder.to_owned(), runtime, hashes }
    }

    /// What to deploy.
    pub(super) fn stack(&self, stack: usize) -> DeployParams {
        let hashes = &self.hashes[stack];
        let mut text = format!("name: idle-{stack}\nversion: '1'\nservices:\n");
        let mut endpoints = "  - type: Gateway\n    name: api\n    endpoints:\n".to_owned();
        for function in 0..hashes.len() {
            let name = format!("f{function}");
            let (runtime, module) = (self.runtime, format!("{name}.wasm"));
            let service = format!("  - {{type: Function, name: {name}, runtime: {runtime}, module: {module}}}\n");
            text.push_str(&service);
            writeln!(endpoints, "      /{name}: {{get: {name}.handle}}").expect("a String takes it");
        }
        text.push_str(&endpoints);
        let manifest = Manifest::parse("mu.yaml", text.as_bytes()).expect("the manifest is understood");
        let artifacts = manifest.functions().zip(hashes).enumerate().map(|(number, (function, hash))| {
            let source = Arc::new(file(&self.folder, stack, number));
            (function.name().clone(), Artifact { hash: *hash, source })
        });
        let artifacts = artifacts.collect();
        let id = StackId::new(*ContentHash::of(&stack.to_be_bytes()).as_bytes());
        DeployParams {
            id,
            version: 1,
            owner: None,
            stack: manifest.local_stack(&Env::new()).expect("there are no variables"),
            artifacts,
            secrets: Secrets::default(),
            function_id: None,
        }
    }

    /// Where a function is served.
    pub(super) fn path(&self, stack: usize, function: usize) -> String {
        format!("/idle-{stack}/api/f{function}")
    }
}

fn functions_of(stack: usize) -> usize {
    if stack == 0 { 1 } else { FUNCTIONS_PER_STACK }
}

fn file(folder: &Path, stack: usize, function: usize) -> PathBuf {
    folder.join(format!("{stack}-{function}.wasm"))
}

fn code(runtime: Runtime, number: usize) -> Vec<u8> {
    let number = number.to_string();
    let text = if runtime.is_component() {
        include_str!("component.wat").replace("{number}", &number)
    } else {
        let mut answer = Vec::new();
        Outgoing::FunctionResult(Response { status: Status::OK, headers: Vec::new(), body: b"hello".to_vec() })
            .encode(&mut answer);
        include_str!("module.wat")
            .replace("{number}", &number)
            .replace("{length}", &answer.len().to_string())
            .replace("{answer}", &escaped(&answer))
    };
    wat::parse_str(text).expect("the text is a function")
}
