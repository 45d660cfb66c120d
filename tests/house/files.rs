//! Sizes and names of files and functions.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::tree::{files, read, with_extension};

const LARGEST_FILE: usize = 400;
const LARGEST_FUNCTION: usize = 60;

/// Lines that hold code: neither blank nor comment.
fn code_lines(text: &str) -> usize {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn no_file_is_more_than_one_idea() {
    for file in with_extension("rs") {
        let lines = code_lines(&read(&file));
        assert!(lines <= LARGEST_FILE, "{} has {lines} lines of code; cut it into rooms", file.display());
    }
}

#[test]
fn no_function_is_longer_than_a_screen() {
    struct Functions(Vec<(String, usize)>);
    impl Functions {
        fn note(&mut self, name: &syn::Ident, block: &syn::Block) {
            let (start, end) = (block.span().start().line, block.span().end().line);
            self.0.push((name.to_string(), end + 1 - start));
        }
    }
    impl<'ast> Visit<'ast> for Functions {
        fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
            self.note(&function.sig.ident, &function.block);
            visit::visit_item_fn(self, function);
        }

        fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
            self.note(&function.sig.ident, &function.block);
            visit::visit_impl_item_fn(self, function);
        }
    }
    let mut seen = 0;
    for file in with_extension("rs") {
        let mut functions = Functions(Vec::new());
        functions.visit_file(&syn::parse_file(&read(&file)).unwrap());
        for (name, lines) in functions.0 {
            assert!(lines <= LARGEST_FUNCTION, "{name} in {} has {lines} lines", file.display());
            seen += 1;
        }
    }
    assert!(seen > 300, "only {seen} functions were found: the scan is broken");
}

#[test]
fn the_first_line_says_what_the_file_is() {
    let starts = [("rs", "//! "), ("proto", "// "), ("py", "\"\"\"")];
    for (extension, start) in starts {
        for file in with_extension(extension) {
            let text = read(&file);
            let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
            assert!(first.starts_with(start), "{} begins with {first:?}", file.display());
        }
    }
}

#[test]
fn no_file_is_a_drawer() {
    let drawers = ["utils", "util", "common", "helpers", "helper", "types", "misc", "manager"];
    for file in files() {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        assert!(!drawers.contains(&stem), "{} has no name of its own", file.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    for file in with_extension("rs").into_iter().chain(with_extension("proto")) {
        let text = read(&file);
        for mark in &marks {
            assert!(!text.contains(mark.as_str()), "{} holds a {mark}", file.display());
        }
    }
}

#[test]
fn versions_stand_in_the_workspace_only() {
    for manifest in ["Cargo.toml", "proto/Cargo.toml", "adapters/Cargo.toml", "emulator/Cargo.toml"] {
        let table: toml::Table = read(manifest).parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = table.get(section).and_then(toml::Value::as_table) else { continue };
            for (name, dependency) in dependencies {
                let inherited = dependency.get("workspace").and_then(toml::Value::as_bool);
                assert_eq!(inherited, Some(true), "{name} in {manifest} has a version of its own");
            }
        }
    }
}
