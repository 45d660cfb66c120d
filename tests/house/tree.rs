//! The files of the repository.

use std::path::{Path, PathBuf};

/// Folders that hold nothing of ours, and what is generated.
const SKIPPED: [&str; 6] = [".git", "target", ".venv", "__pycache__", "node_modules", "proto/src/gen"];

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file, relative to the root, generated ones left out.
pub(crate) fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    walk(root(), &mut files);
    files.sort();
    assert!(files.len() > 50, "only {} files were found", files.len());
    files
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let relative = path.strip_prefix(root()).unwrap().to_path_buf();
        if SKIPPED.iter().any(|skipped| relative.ends_with(skipped)) {
            continue;
        }
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(relative);
        }
    }
}

/// Those with this extension.
pub(crate) fn with_extension(extension: &str) -> Vec<PathBuf> {
    files().into_iter().filter(|file| file.extension().is_some_and(|found| found == extension)).collect()
}

/// A file's text.
pub(crate) fn read(file: impl AsRef<Path>) -> String {
    let file = file.as_ref();
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A file's text, where there is one.
pub(crate) fn exists(file: impl AsRef<Path>) -> bool {
    root().join(file).exists()
}

/// `ListModels` to `list_models`.
pub(crate) fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
