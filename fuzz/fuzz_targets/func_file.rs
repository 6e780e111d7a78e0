//! A func file and an app file, and the next version of one, from any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mu_stack::func::{App, AppFile, AppFunction, FuncFile, FuncLimits, Part, bumped};

fuzz_target!(|bytes: &[u8]| {
    let app = AppFile::parse("app.yaml", bytes).ok();
    if let Ok(file) = FuncFile::parse("func.yaml", bytes) {
        let (folder, file_name) = ("a".to_owned(), "func.yaml".to_owned());
        let function = AppFunction { folder, file_name, file, has_dockerfile: bytes.len() % 2 == 0 };
        let _ = App::new(app.as_ref(), "app", &[function], FuncLimits::default());
    }
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok((text, version)) = bumped("func.yaml", text, Part::Patch)
    {
        assert_eq!(FuncFile::parse("func.yaml", text.as_bytes()).expect("only its version changed").version, version);
    }
});
