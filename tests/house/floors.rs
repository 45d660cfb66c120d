//! The modules of `src/` stand in one line; a module uses only names of those before it.

use proc_macro2::{TokenStream, TokenTree};

use crate::tree::{read, snake, with_extension};

/// The modules in the order of `lib.rs`.
fn floors() -> Vec<String> {
    let file = syn::parse_file(&read("src/lib.rs")).unwrap();
    let floors: Vec<_> = file
        .items
        .iter()
        .filter_map(|item| match item {
            syn::Item::Mod(module) => Some(module.ident.to_string()),
            _ => None,
        })
        .collect();
    assert!(floors.len() > 8, "lib.rs declares only {floors:?}");
    floors
}

/// The modules that a file names behind `crate::`, inside macros too.
fn used(tokens: TokenStream, found: &mut Vec<String>) {
    let trees: Vec<_> = tokens.into_iter().collect();
    for (at, tree) in trees.iter().enumerate() {
        if let TokenTree::Group(group) = tree {
            used(group.stream(), found);
        }
        let behind_crate = matches!(tree, TokenTree::Ident(ident) if ident == "crate")
            && matches!(trees.get(at + 1), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
        if !behind_crate {
            continue;
        }
        match trees.get(at + 3) {
            Some(TokenTree::Ident(module)) => found.push(module.to_string()),
            Some(TokenTree::Group(group)) => {
                // `use crate::{a::B, c}`: the first name of each branch.
                let mut first = true;
                for tree in group.stream() {
                    match tree {
                        TokenTree::Ident(module) if first => {
                            found.push(module.to_string());
                            first = false;
                        }
                        TokenTree::Punct(punct) if punct.as_char() == ',' => first = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

#[test]
fn a_module_uses_only_floors_below_it() {
    let floors = floors();
    let floor = |name: &str| floors.iter().position(|floor| floor == name);
    let mut seen = 0;
    for file in with_extension("rs").iter().filter(|file| file.starts_with("src")) {
        let module = file.components().nth(1).unwrap().as_os_str().to_str().unwrap();
        let module = module.trim_end_matches(".rs");
        let Some(own) = floor(module) else {
            assert!(["lib", "main"].contains(&module), "{} is not declared in lib.rs", file.display());
            continue;
        };
        let mut names = Vec::new();
        used(read(file).parse().unwrap(), &mut names);
        for name in names {
            let other = floor(&name).unwrap_or_else(|| panic!("{} names crate::{name}", file.display()));
            assert!(other <= own, "{} is on floor {module} and uses {name} above it", file.display());
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} uses were found: the scan is broken");
}

#[test]
fn every_rpc_has_its_file() {
    for file in with_extension("proto") {
        for line in read(&file).lines().filter_map(|line| line.trim().strip_prefix("rpc ")) {
            let (name, _) = line.split_once('(').unwrap();
            let home = format!("src/grpc/{}.rs", snake(name));
            assert!(crate::tree::exists(&home), "{name} of {} has no {home}", file.display());
        }
    }
}

#[test]
fn every_layer_stands_in_the_stack_with_its_reason() {
    let stack = read("src/stack.rs");
    let lines: Vec<_> = stack.lines().map(str::trim).collect();
    let modules = read("src/layers/mod.rs");
    for layer in modules.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')) {
        let at = lines.iter().position(|line| line.starts_with(&format!(".layer({layer}(")));
        let at = at.unwrap_or_else(|| panic!("layer {layer} is not in stack.rs on a line of its own"));
        assert!(lines[at - 1].starts_with("//"), "layer {layer} has no reason above it");
    }
}

#[test]
fn crates_depend_downwards_only() {
    let allowed = [
        ("proto/Cargo.toml", &[][..]),
        ("adapters/Cargo.toml", &["bedrock-inference-proto"][..]),
        ("emulator/Cargo.toml", &[][..]),
    ];
    for (manifest, allowed) in allowed {
        let text = read(manifest);
        let (_, dependencies) = text.split_once("[dependencies]").unwrap();
        let ours = dependencies.lines().filter(|line| line.starts_with("bedrock-inference"));
        for line in ours {
            assert!(allowed.iter().any(|name| line.starts_with(name)), "{manifest} depends on {line}");
        }
    }
}

#[test]
fn adapters_touch_no_runtime_and_no_aws() {
    let manifest = read("adapters/Cargo.toml");
    for banned in ["tokio", "aws-", "hyper", "tonic", "reqwest"] {
        assert!(!manifest.lines().any(|line| line.starts_with(banned)), "adapters depend on {banned}");
    }
}

#[test]
fn every_family_has_the_same_rooms() {
    let lib = read("adapters/src/lib.rs");
    let families: Vec<_> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|module| !["contract", "converse", "rules"].contains(module))
        .collect();
    assert!(families.len() >= 3);
    for family in families {
        for room in ["mod.rs", "models.toml"] {
            let path = format!("adapters/src/{family}/{room}");
            assert!(crate::tree::exists(&path), "{path} is missing");
        }
        assert!(lib.contains(&format!("{family}::FAMILY")), "{family} is not in FAMILIES");
    }
}
