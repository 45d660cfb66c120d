# The steps of .ci/run, each on its own.

# List the recipes
default:
    @just --list

# Everything CI does, in its order
ci: format lint proto deny test services clients

# Formatting of Rust
format:
    cargo fmt --all --check

# Compiler and clippy, warnings are errors
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# The README's test command
test:
    cargo test --workspace --locked

# buf: lint, format, and no breaking change against the baseline; AWS's model against the newest botocore here
proto:
    cd proto && buf lint
    cd proto && buf format --diff --exit-code
    cd proto && buf breaking --against baseline.binpb
    python3 proto/model/refresh.py --check

# Renew what is generated from the .proto files and AWS's model
generate:
    BLESS=1 cargo test -p bedrock-inference-proto --test generated

# Renew the baseline that `buf breaking` compares with; goes together with a line in CHANGELOG.md
baseline:
    cd proto && buf build --exclude-source-info -o baseline.binpb

# Licences, bans, sources
deny:
    cargo deny check bans licenses sources

# Tests that need PostgreSQL and Redis, at POSTGRES_URL and REDIS_URL
services:
    cargo test --locked --lib --test e2e --test money -- --ignored \
        --skip a_large_answer_is_not_slowed_down --skip calls_in_an_environment_of_its_own

# Tests that need Python: boto3 judges the emulator and the gateway
clients:
    cargo test --locked --test clients -- --ignored

# Fuzz every decoder and meter; needs cargo-fuzz, and runs on stable Rust. New inputs go to target/fuzz
fuzz seconds="60":
    mkdir -p target/fuzz
    RUSTC_BOOTSTRAP=1 cargo fuzz run decoders --sanitizer none target/fuzz fuzz/corpus/decoders -- -max_total_time={{seconds}}

# Many callers and a mix of faults for so long; `cargo test` does it for a minute
soak length="10m":
    SOAK={{length}} cargo test --locked --release --test load -- soak --nocapture

# What the gateway adds to a call, beside a direct SDK client
bench:
    cargo bench --bench overhead

# See it work
demo:
    cargo run -- demo
