//! Makes growth of memory visible to the meter.
//!
//! Compiled code keeps the count of instructions in a register and writes it to memory only around calls, so the host
//! cannot read it at the moment a `memory.grow` executes. Therefore each `memory.grow` gets a call to an imported
//! function before it: at that call the count is exact. The call costs the one instruction that `memory.grow` would
//! (whose own cost is 0), so the count of a module is what its author would count in the text of the module.

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, EntityType, ImportSection, Instruction, Module, SectionId, TypeSection};
use wasmparser::{BinaryReaderError, FunctionBody, Operator, Parser, Payload, TypeRef};

/// The import that instrumented modules have; no module of a client may name it.
pub(super) const METER_MODULE: &str = "mu:meter";
pub(super) const METER_FUNCTION: &str = "note-instructions";

/// What `wasm` looks like with its growth made visible; `None` when it never grows memory and can run as it is. The
/// module must be valid.
pub(super) fn instrument(wasm: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let Some(mut pass) = Pass::survey(wasm).map_err(|e| e.to_string())? else { return Ok(None) };
    let mut module = Module::new();
    pass.parse_core_module(&mut module, Parser::new(0), wasm).map_err(|e| e.to_string())?;
    Ok(Some(module.finish()))
}

/// The rewriting of one module: one type and one imported function are appended, which moves the indices of the
/// functions that the module defines up by one.
struct Pass {
    imported_functions: u32,
    types: u32,
    has_import_section: bool,
}

impl Pass {
    /// Looks at the module as it is; `None` when nothing needs to change.
    fn survey(wasm: &[u8]) -> Result<Option<Self>, BinaryReaderError> {
        let mut pass = Self { imported_functions: 0, types: 0, has_import_section: false };
        let mut grows = false;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        pass.types += u32::try_from(group?.types().len()).unwrap_or(u32::MAX);
                    }
                }
                Payload::ImportSection(section) => {
                    pass.has_import_section = true;
                    for import in section.into_imports() {
                        pass.imported_functions += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::CodeSectionEntry(body) if !grows => grows = grows_memory(&body)?,
                _ => {}
            }
        }
        Ok(grows.then_some(pass))
    }

    fn add_import(&self, imports: &mut ImportSection) {
        imports.import(METER_MODULE, METER_FUNCTION, EntityType::Function(self.types));
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

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Self::Error>> {
        Ok(if function < self.imported_functions { function } else { function + 1 })
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([], []);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_import_section(self, imports, section)?;
        self.add_import(imports);
        Ok(())
    }

    /// A module without imports gets its import section here: before the first section that must come after it. (A
    /// module that grows memory has a function, so it has a type section.)
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        after: Option<SectionId>,
        _before: Option<SectionId>,
    ) -> Result<(), Error<Self::Error>> {
        if !self.has_import_section && after == Some(SectionId::Type) {
            self.has_import_section = true;
            let mut imports = ImportSection::new();
            self.add_import(&mut imports);
            module.section(&imports);
        }
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
                function.instruction(&Instruction::Call(self.imported_functions));
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
        // Debugging information speaks of offsets that no longer hold; names do, once they are moved along.
        if section.name() == "name" { utils::parse_custom_section(self, module, section) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrumented(text: &str) -> Option<Vec<u8>> {
        let wasm = wat::parse_str(text).unwrap();
        let changed = instrument(&wasm).unwrap();
        if let Some(changed) = &changed {
            wasmparser::validate(changed).expect("an instrumented module is valid");
        }
        changed
    }

    fn imports(wasm: &[u8]) -> Vec<String> {
        let sections = Parser::new(0).parse_all(wasm).map(|payload| payload.unwrap());
        sections
            .filter_map(|payload| if let Payload::ImportSection(imports) = payload { Some(imports) } else { None })
            .flat_map(|imports| imports.into_imports().map(|import| import.unwrap().name.to_owned()))
            .collect()
    }

    #[test]
    fn leaves_a_module_that_never_grows_alone() {
        assert_eq!(instrumented("(module (memory 1) (func (export \"_start\")))"), None);
    }

    #[test]
    fn adds_the_import_to_a_module_with_and_without_imports() {
        let grow = "(func $g (export \"g\") (result i32) (memory.grow (i32.const 1))) (func (drop (call $g)))";
        let without = format!("(module (memory 1) {grow})");
        assert_eq!(imports(&instrumented(&without).unwrap()), [METER_FUNCTION]);
        let with = format!(
            "(module (import \"a\" \"f\" (func $f)) (import \"a\" \"m\" (memory 1)) {grow} (start $s) (func $s (call $f))
             (table 2 funcref) (elem (i32.const 0) $f $s))"
        );
        assert_eq!(imports(&instrumented(&with).unwrap()), ["f", "m", METER_FUNCTION]);
    }
}
