//! The `bedrock-inference` program.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A call makes and frees a few hundred small things; glibc gives their pages back and faults them in again.
/// Its huge pages are off: a message that is only promised would take 2 MiB of memory for its five bytes.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    bedrock_inference::cli::main()
}
