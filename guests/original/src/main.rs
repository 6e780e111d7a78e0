//! A function built against the first SDK of mu, as published: it must run here unchanged.

use musdk::mu_functions;

#[mu_functions]
mod functions {
    use musdk::{LogLevel, MuContext, PathParams};

    /// Answers with the bytes it was sent.
    #[mu_function]
    fn echo<'a>(_ctx: &'a MuContext, data: &'a [u8]) -> Vec<u8> {
        data.to_vec()
    }

    /// Greets by a parameter of the path.
    #[mu_function]
    fn greet<'a>(ctx: &'a mut MuContext, params: PathParams<'a>) -> String {
        ctx.log("greeting", LogLevel::Info).expect("a line is logged");
        let _ = params;
        "hello from the first SDK".to_string()
    }

    /// Asks for a bit of everything, and says what it was answered.
    #[mu_function]
    fn data<'a>(ctx: &'a mut MuContext) -> String {
        let mut said = Vec::new();
        let mut db = ctx.db();
        db.put("table", "k1", "v1", false).expect("put");
        db.put("table", "k2", "v2", true).expect("atomic put");
        said.push(format!("{:?}", db.get("table", "k1").expect("get").map(|v| v.0.len())));
        said.push(format!("{:?}", db.get("table", "absent").expect("get").map(|v| v.0.len())));
        said.push(format!("{}", db.scan("table", "k", 10).expect("scan").len()));
        said.push(format!("{}", db.scan_keys("table", "k", 10).expect("scan keys").len()));
        said.push(format!("{}", db.table_list("").expect("tables").len()));
        db.delete("table", "k1", false).expect("delete");
        db.delete_by_prefix("table", "k").expect("delete by prefix");
        said.push(format!("{:?}", db.get("nowhere", "k").is_err()));
        let mut storage = ctx.storage();
        storage.put("box", "key", b"object").expect("storage put");
        said.push(format!("{}", storage.get("box", "key").expect("storage get").len()));
        said.push(format!("{}", storage.search_by_prefix("box", "k").expect("list").len()));
        storage.delete("box", "key").expect("storage delete");
        said.join(" ")
    }

    /// Panics.
    #[mu_function]
    fn panics<'a>(_ctx: &'a MuContext) -> String {
        panic!("on purpose")
    }
}
