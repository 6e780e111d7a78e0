//! Makes growth of memory visible to the meter.
//!
//! Compiled code keeps the count of instructions in a register and writes it to memory only around calls, so the host
//! cannot read it at the moment a `memory.grow` executes. Therefore each `memory.grow` gets a call to an empty function
//! before it, which is appended to the module: after that call the count is in memory, and the engine's hook that runs
//! when `memory.grow` enters the host reads it. Nothing else of the module changes, no index of anything moves, and it
//! works for the modules within components as well, wherever the canonical ABI calls them. The call costs two
//! instructions, `memory.grow` itself none.

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, Function, FunctionSection, Instruction, Module, TypeSection};
use wasmparser::{BinaryReaderError, FunctionBody, Operator, Parser, Payload, TypeRef};

/// The sections of a component that hold core modules and other components.
/// <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>
const CORE_MODULE_SECTION: u8 = 1;
const COMPONENT_SECTION: u8 = 4;

/// The bytes before the first section: magic number and version.
const PREAMBLE_BYTES: usize = 8;

/// What the module `wasm` looks like with its growth made visible; `None` when it never grows memory and can run as it
/// is. The module must be valid.
pub(super) fn instrument(wasm: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let Some(mut pass) = Pass::survey(wasm).map_err(|e| e.to_string())? else { return Ok(None) };
    let mut module = Module::new();
    pass.parse_core_module(&mut module, Parser::new(0), wasm).map_err(|e| e.to_string())?;
    Ok(Some(module.finish()))
}

/// Components within components within components: no tool makes more than a few levels.
const NESTING_MAX: usize = 32;

/// The component `wasm` with the growth of all modules in it made visible. The component must be valid.
pub(super) fn instrument_component(wasm: &[u8]) -> Result<Vec<u8>, String> {
    instrument_nested(wasm, NESTING_MAX)
}

fn instrument_nested(wasm: &[u8], levels: usize) -> Result<Vec<u8>, String> {
    let levels =
        levels.checked_sub(1).ok_or_else(|| format!("components are nested over {NESTING_MAX} levels deep"))?;
    let truncated = || "a section is cut off".to_owned();
    let (preamble, mut rest) = wasm.split_at_checked(PREAMBLE_BYTES).ok_or_else(truncated)?;
    let mut instrumented = preamble.to_vec();
    instrumented.reserve(wasm.len());
    while let Some((&id, after_id)) = rest.split_first() {
        let mut reader = wasmparser::BinaryReader::new(after_id, 0);
        let size = reader.read_var_u32().map_err(|e| e.to_string())? as usize;
        let (contents, after) = after_id[reader.original_position()..].split_at_checked(size).ok_or_else(truncated)?;
        let changed = match id {
            CORE_MODULE_SECTION => instrument(contents)?,
            COMPONENT_SECTION => Some(instrument_nested(contents, levels)?),
            _ => None,
        };
        let contents = changed.as_deref().unwrap_or(contents);
        instrumented.push(id);
        let size = u32::try_from(contents.len()).map_err(|_| "a section is larger than 4 GiB".to_owned())?;
        wasm_encoder::Encode::encode(&size, &mut instrumented);
        instrumented.extend_from_slice(contents);
        rest = after;
    }
    Ok(instrumented)
}

/// The rewriting of one module: one type, one function and its empty body are appended.
struct Pass {
    types: u32,
    functions: u32,
}

impl Pass {
    /// Looks at the module as it is; `None` when nothing needs to change.
    fn survey(wasm: &[u8]) -> Result<Option<Self>, BinaryReaderError> {
        let mut pass = Self { types: 0, functions: 0 };
        let mut grows = false;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        pass.types += u32::try_from(group?.types().len()).unwrap_or(u32::MAX);
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        pass.functions += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(section) => pass.functions += section.count(),
                Payload::CodeSectionEntry(body) if !grows => grows = grows_memory(&body)?,
                _ => {}
            }
        }
        Ok(grows.then_some(pass))
    }
}

fn grows_memory(body: &FunctionBody<'_>) -> Result<bool, BinaryReaderError> {
    for operator in body.get_operators_reader()? {
        if matches!(operator?, Operator::MemoryGrow { .. }) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Reencode for Pass {
    type Error = std::convert::Infallible;

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([], []);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.types);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_code_section(self, code, section)?;
        let mut empty = Function::new([]);
        empty.instruction(&Instruction::End);
        code.function(&empty);
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            if matches!(operator, Operator::MemoryGrow { .. }) {
                function.instruction(&Instruction::Call(self.functions));
            }
            function.instruction(&self.instruction(operator)?);
        }
        code.function(&function);
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        module: &mut Module,
        section: wasmparser::CustomSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        // Debugging information speaks of offsets that no longer hold; names do.
        if section.name() == "name" { utils::parse_custom_section(self, module, section) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROW: &str = "(func $g (export \"g\") (result i32) (memory.grow (i32.const 1))) (func (drop (call $g)))";

    /// The calls of the appended function: as many as there are bodies, the last of which is empty.
    fn check(text: &str, expected: Option<&str>) {
        let wasm = wat::parse_str(text).unwrap();
        let changed = instrument(&wasm).unwrap();
        let expected = expected.map(|text| wat::parse_str(text).unwrap());
        assert_eq!(changed.is_some(), expected.is_some(), "{text}");
        let (Some(changed), Some(expected)) = (changed, expected) else { return };
        wasmparser::validate(&changed).expect("an instrumented module is valid");
        let bodies = |wasm: &[u8]| -> Vec<Vec<u8>> {
            let payloads = Parser::new(0).parse_all(wasm).map(Result::unwrap);
            payloads
                .filter_map(|p| {
                    Some(if let Payload::CodeSectionEntry(b) = p { b.as_bytes().to_vec() } else { return None })
                })
                .collect()
        };
        assert_eq!(bodies(&changed), bodies(&expected), "{text}");
    }

    #[test]
    fn a_call_comes_before_each_growth() {
        check("(module (memory 1) (func (export \"_start\")))", None);
        check(
            &format!("(module (memory 1) {GROW})"),
            Some("(module (memory 1) (func $g (result i32) (call $e) (memory.grow (i32.const 1))) (func (drop (call $g))) (func $e))"
                .replace("(call $e) (memory.grow (i32.const 1))", "(i32.const 1) (call $e) memory.grow").as_str()),
        );
        check(
            &format!(
                "(module (import \"a\" \"f\" (func $f)) (import \"a\" \"m\" (memory 1)) {GROW} (start $s) (func $s (call $f))
                 (table 2 funcref) (elem (i32.const 0) $f $s))"
            ),
            Some("(module (import \"a\" \"f\" (func $f)) (import \"a\" \"m\" (memory 1))
                (func $g (result i32) (i32.const 1) (call $e) memory.grow) (func (drop (call $g))) (func $s (call $f)) (func $e))"),
        );
    }

    #[test]
    fn modules_of_nested_components_are_reached() {
        let text = format!("(component (core module (memory 1)) (component (core module (memory 1) {GROW})))");
        let wasm = wat::parse_str(text).unwrap();
        let changed = instrument_component(&wasm).unwrap();
        wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all()).validate_all(&changed).unwrap();
        assert!(changed.len() > wasm.len());
        let deep = format!("{}{}", "(component ".repeat(40), ")".repeat(40));
        let error = instrument_component(&wat::parse_str(deep).unwrap()).unwrap_err();
        assert_eq!(error, "components are nested over 32 levels deep");
    }
}
