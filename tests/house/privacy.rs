//! Content cannot be printed: no type derives `Debug` around bytes or free-form JSON.

use std::path::PathBuf;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::visit::{self, Visit};

use crate::tree::{read, with_extension};

/// What holds content and prints it. `Content` holds bytes and does not.
const PRINTING: [&str; 7] = ["Bytes", "BytesMut", "RawValue", "SdkBody", "Value", "Struct", "ListValue"];

/// The same without a name of its own.
const PLAIN: [&str; 2] = ["Vec<u8>", "[u8"];

struct Types {
    file: String,
    derived: usize,
}

impl Types {
    fn check(&mut self, name: &syn::Ident, attributes: &[syn::Attribute], fields: TokenStream) {
        let derives = |attribute: &syn::Attribute| {
            let mut names = names(attribute.to_token_stream());
            names.by_ref().any(|name| name == "derive") && names.any(|name| name == "Debug")
        };
        if !attributes.iter().any(derives) {
            return;
        }
        self.derived += 1;
        let text = fields.to_string().replace(' ', "");
        let plain = PLAIN.iter().find(|plain| text.contains(**plain)).map(|plain| (*plain).to_owned());
        if let Some(found) = names(fields).find(|name| PRINTING.contains(&name.as_str())).or(plain) {
            panic!("{}: {name} derives Debug around {found}; hold Content, or print sizes alone", self.file);
        }
    }
}

impl<'ast> Visit<'ast> for Types {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.check(&item.ident, &item.attrs, types(&item.fields));
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        let fields = item.variants.iter().map(|variant| types(&variant.fields)).collect();
        self.check(&item.ident, &item.attrs, fields);
        visit::visit_item_enum(self, item);
    }
}

/// The types of fields, without their names and attributes.
fn types(fields: &syn::Fields) -> TokenStream {
    fields.iter().map(|field| field.ty.to_token_stream()).collect()
}

/// Every name in there, at any depth.
fn names(tokens: TokenStream) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    for tree in tokens {
        match tree {
            TokenTree::Ident(ident) => found.push(ident.to_string()),
            TokenTree::Group(group) => found.extend(names(group.stream())),
            _ => {}
        }
    }
    found.into_iter()
}

#[test]
fn no_type_derives_debug_around_content() {
    let ours =
        |file: &&PathBuf| ["src", "adapters/src", "proto/src"].iter().any(|root| file.starts_with(root));
    let mut derived = 0;
    for file in with_extension("rs").iter().filter(ours) {
        let mut types = Types { file: file.display().to_string(), derived: 0 };
        types.visit_file(&syn::parse_file(&read(file)).unwrap());
        derived += types.derived;
    }
    assert!(derived > 40, "only {derived} types were found: the scan is broken");
}

#[test]
fn the_scan_finds_what_prints() {
    for (code, prints) in [
        ("#[derive(Debug)] struct A { body: Bytes }", true),
        ("#[derive(Clone, Debug)] enum A { One, Two(Option<Vec<u8>>) }", true),
        ("mod inner { #[derive(Debug)] struct A(Box<serde_json::value::RawValue>); }", true),
        ("fn f() { #[derive(Debug)] struct A<'a>(&'a [u8]); }", true),
        ("#[cfg_attr(test, derive(Debug))] struct A { body: Bytes }", true),
        ("#[cfg_attr(feature = \"Debug\", derive(Clone))] struct A { body: Bytes }", false),
        ("#[derive(Debug)] struct A { body: Content, bytes: usize }", false),
        ("#[derive(Clone)] struct A { body: Bytes }", false),
    ] {
        let file = syn::parse_file(code).unwrap();
        let scan = move || Types { file: String::new(), derived: 0 }.visit_file(&file);
        assert_eq!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(scan)).is_err(), prints, "{code}");
    }
}
