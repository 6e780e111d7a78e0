//! The attribute macros of `mu-sdk`, which re-exports and documents them.

use proc_macro::TokenStream;

mod function;
mod module;

/// Makes the module's `#[mu_function]`s the handlers of this program, and writes its `main`.
#[proc_macro_attribute]
pub fn mu_functions(arguments: TokenStream, module: TokenStream) -> TokenStream {
    module::expand(arguments.into(), module.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a function of a `#[mu_functions]` module a handler.
#[proc_macro_attribute]
pub fn mu_function(_arguments: TokenStream, function: TokenStream) -> TokenStream {
    // `mu_functions` takes this attribute away from the functions of its module, so it is met only elsewhere.
    let error = syn::Error::new(
        proc_macro2::Span::call_site(),
        "`#[mu_function]` works only on the functions of a module that is marked `#[mu_functions]`",
    );
    let mut tokens = TokenStream::from(error.into_compile_error());
    tokens.extend(function);
    tokens
}
