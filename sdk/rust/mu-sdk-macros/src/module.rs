//! `#[mu_functions]`: collects a module's handlers and writes `main`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Error, Item, ItemMod, Result};

use crate::function;

pub(crate) fn expand(arguments: TokenStream, module: TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "`#[mu_functions]` takes no arguments"));
    }
    let mut module: ItemMod = syn::parse2(module)
        .map_err(|error| Error::new(error.span(), "`#[mu_functions]` marks a module: `mod handlers { ... }`"))?;
    let module_name = module.ident.clone();
    let Some((_, items)) = &mut module.content else {
        return Err(Error::new_spanned(
            &module,
            "`#[mu_functions]` needs the module's content in place: `mod handlers { ... }`",
        ));
    };

    let handlers = collect(items)?;
    if handlers.is_empty() {
        return Err(Error::new_spanned(
            &module_name,
            "this module has no handlers; mark its functions with `#[mu_function]`",
        ));
    }
    items.push(syn::parse_quote! {
        /// The handlers of this module, by name.
        pub(super) const MU_FUNCTIONS: &[::mu_sdk::Handler] = &[#(#handlers),*];
    });

    Ok(quote! {
        #module

        #[allow(dead_code)]
        fn main() {
            ::mu_sdk::serve(#module_name::MU_FUNCTIONS);
        }
    })
}

/// Takes the `#[mu_function]` attributes off the functions that have one; answers their expressions of `Handler`, or
/// all the mistakes at once.
fn collect(items: &mut [Item]) -> Result<Vec<TokenStream>> {
    let mut handlers = Vec::new();
    let mut mistakes: Option<Error> = None;
    for item in items {
        let Item::Fn(item) = item else { continue };
        let Some(index) = item.attrs.iter().position(is_mu_function) else { continue };
        let attribute = item.attrs.remove(index);
        match function::handler(&attribute, item) {
            Ok(handler) => handlers.push(handler),
            Err(mistake) => match &mut mistakes {
                Some(mistakes) => mistakes.combine(mistake),
                None => mistakes = Some(mistake),
            },
        }
    }
    mistakes.map_or(Ok(handlers), Err)
}

fn is_mu_function(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "mu_function")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(module: &str, expected: &[&str]) {
        let tokens = module.parse().expect("the test is made of tokens");
        let error = expand(TokenStream::new(), tokens).expect_err(module);
        let messages: Vec<_> = error.into_iter().map(|error| error.to_string()).collect();
        assert_eq!(messages, expected, "{module}");
    }

    #[test]
    fn what_is_no_module_of_handlers_is_refused() {
        check("fn f() {}", &["`#[mu_functions]` marks a module: `mod handlers { ... }`"]);
        check("mod elsewhere;", &["`#[mu_functions]` needs the module's content in place: `mod handlers { ... }`"]);
        check("mod empty { fn f() {} }", &["this module has no handlers; mark its functions with `#[mu_function]`"]);
        let error = expand(
            quote!(name),
            quote!(
                mod m {}
            ),
        )
        .expect_err("an argument");
        assert_eq!(error.to_string(), "`#[mu_functions]` takes no arguments");
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        check(
            "mod handlers {
                #[mu_function] async fn asynchronous() {}
                #[mu_function] fn right(ctx: &mut MuContext, body: String) {}
                #[mu_function] unsafe fn dangerous() {}
                #[mu_function] fn generic<T>(value: T) {}
                #[mu_function(name = \"other\")] fn named() {}
                #[mu_function] fn owned(ctx: MuContext) {}
                #[mu_function] fn late(body: String, ctx: &MuContext) {}
                #[mu_function] fn method(&self) {}
            }",
            &[
                "a handler is not `async`: it has an instance to itself, and calls of the context just return",
                "a handler is not `unsafe`: nobody could promise what it needs",
                "a handler is not generic: the types of its parameters say what to read from a request",
                "`#[mu_function]` takes no arguments",
                "the context is lent to a handler: `&MuContext` or `&mut MuContext`",
                "the context is a handler's first parameter",
                "a handler is a function, not a method: it has no `self`",
            ],
        );
    }
}
