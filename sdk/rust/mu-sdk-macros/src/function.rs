//! `#[mu_function]`: checks one function, and writes how it is called with a request.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{
    Attribute, Error, FnArg, GenericParam, ItemFn, Meta, Result, ReturnType, Safety, Type, ext::IdentExt,
    spanned::Spanned,
};

/// The name of the context's type, by which the parameter is told from an extractor.
const CONTEXT: &str = "MuContext";

/// The expression of the function's `Handler`.
pub(crate) fn handler(attribute: &Attribute, function: &ItemFn) -> Result<TokenStream> {
    check(attribute, function)?;

    let mut arguments = Vec::new();
    let mut extractions = Vec::new();
    for (index, parameter) in function.sig.inputs.iter().enumerate() {
        let FnArg::Typed(parameter) = parameter else {
            return Err(Error::new_spanned(parameter, "a handler is a function, not a method: it has no `self`"));
        };
        let span = generated_at(parameter.ty.span());
        if is_context(&parameter.ty) {
            if index != 0 {
                return Err(Error::new_spanned(parameter, "the context is a handler's first parameter"));
            }
            arguments.push(quote!(context));
        } else if names_context(&parameter.ty) {
            return Err(Error::new_spanned(
                parameter,
                "the context is lent to a handler: `&MuContext` or `&mut MuContext`",
            ));
        } else {
            let name = format_ident!("argument_{index}");
            // The type is inferred from the function's signature, because it may name the function's lifetimes. The
            // span makes the compiler point at the parameter when its type is no extractor.
            extractions.push(quote_spanned!(span=>
                let #name = ::mu_sdk::FromRequest::from_request(request)?;
            ));
            arguments.push(quote!(#name));
        }
    }

    let conditions = function.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let ident = &function.sig.ident;
    let name = ident.unraw().to_string();
    let output_span = generated_at(match &function.sig.output {
        ReturnType::Default => ident.span(),
        ReturnType::Type(_, output) => output.span(),
    });
    // `self::`, because a handler may have the name of one of the parameters below.
    let answer = quote_spanned!(output_span=> ::mu_sdk::IntoResponse::into_response(self::#ident(#(#arguments),*)));
    Ok(quote! {
        #(#conditions)*
        ::mu_sdk::Handler::new(#name, {
            #[allow(unused_variables)]
            fn mu_handle(
                context: &mut ::mu_sdk::MuContext,
                request: &::mu_sdk::Request,
            ) -> ::core::result::Result<::mu_sdk::Response, ::mu_sdk::Error> {
                #(#extractions)*
                ::core::result::Result::Ok(#answer)
            }
            mu_handle
        })
    })
}

/// Where errors about generated code point. Lints know that it is generated all the same.
fn generated_at(place: Span) -> Span {
    Span::call_site().located_at(place)
}

fn check(attribute: &Attribute, function: &ItemFn) -> Result<()> {
    let signature = &function.sig;
    if !matches!(attribute.meta, Meta::Path(_)) {
        return Err(Error::new_spanned(attribute, "`#[mu_function]` takes no arguments"));
    }
    if let Some(asyncness) = &signature.asyncness {
        return Err(Error::new_spanned(
            asyncness,
            "a handler is not `async`: it has an instance to itself, and calls of the context just return",
        ));
    }
    if let Safety::Unsafe(unsafety) = &signature.safety {
        return Err(Error::new_spanned(unsafety, "a handler is not `unsafe`: nobody could promise what it needs"));
    }
    for parameter in &signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            return Err(Error::new_spanned(
                parameter,
                "a handler is not generic: the types of its parameters say what to read from a request",
            ));
        }
    }
    Ok(())
}

/// Whether the type is a reference to the context.
fn is_context(parameter: &Type) -> bool {
    match parameter {
        Type::Reference(reference) => names_context(&reference.elem),
        Type::Group(group) => is_context(&group.elem),
        Type::Paren(paren) => is_context(&paren.elem),
        _ => false,
    }
}

fn names_context(parameter: &Type) -> bool {
    match parameter {
        Type::Path(path) => path.path.segments.last().is_some_and(|segment| segment.ident == CONTEXT),
        Type::Group(group) => names_context(&group.elem),
        Type::Paren(paren) => names_context(&paren.elem),
        _ => false,
    }
}
