//! Configuration: file, then environment, then flags; every mistake is told with its key.

use super::process::{Running, file, program, run};

const EMULATOR: &str = "upstream = \"emulator\"\nlisten = \"127.0.0.1:0\"\n";

#[test]
fn a_mistake_in_the_file_is_told_with_its_key() {
    let cases = [
        ("[timeouts]\nidel = \"5s\"\n", "idel"),
        ("lisen = \"127.0.0.1:0\"\n", "lisen"),
        ("[timeouts]\nidle = \"5 parsecs\"\n", "timeouts.idle"),
        ("[timeouts]\nidle = 5\n", "timeouts.idle"),
        ("[timeouts]\nidle = \"5\"\n", "timeouts.idle"),
        ("[timeouts]\nidle = \"0s\"\n", "timeouts.idle"),
        ("[timeouts]\ntotal = \"18446744073709551615s\"\n", "timeouts.total"),
        ("reload = \"0s\"\n", "reload"),
        ("listen = \"here\"\n", "listen"),
        ("upstream = \"azure\"\n", "upstream"),
        ("[server]\nmax_message_bytes = -1\n", "server.max_message_bytes"),
        ("[server]\ncors_origins = [\"https://a\\n\"]\n", "server.cors_origins"),
        ("[log]\nformat = \"xml\"\n", "log.format"),
        ("[log]\nfilter = \"a=b=c\"\n", "log.filter"),
        ("[aws]\nconnections = 0\n", "aws.connections"),
        ("not toml at all", "TOML"),
    ];
    for (content, key) in cases {
        // A key may stand only once: what goes wrong with the upstream is no concern here.
        let path = file("gateway.toml", content);
        let mut command = program(&["serve", "--listen", "127.0.0.1:0", "--config"]);
        command.arg(&path);
        if !content.contains("upstream") {
            command.args(["--upstream", "emulator"]);
        }
        let told = run(&mut command).bad(2);
        assert!(told.contains(key), "{content}: {told}");
    }
}

#[test]
fn several_zeros_are_all_told() {
    let content = "[timeouts]\nidle = \"0s\"\nfirst_content = \"0s\"\n[aws]\nconnections = 0\n";
    let path = file("gateway.toml", content);
    let told = run(program(&["serve", "--upstream", "emulator", "--config"]).arg(path)).bad(2);
    for key in ["timeouts.idle", "timeouts.first_content", "aws.connections"] {
        assert!(told.contains(key), "{key}: {told}");
    }
}

#[test]
fn an_alias_that_reaches_nothing_is_told_before_anything_is_announced() {
    let content = "[aliases.mine]\ntargets = [{ model = \"amazon.nova-9000\" }]\n";
    let path = file("gateway.toml", content);
    let told =
        run(program(&["serve", "--upstream", "emulator", "--listen", "127.0.0.1:0", "--config"]).arg(&path))
            .bad(2);
    assert!(told.contains("aliases.mine.targets[0].model: no model \"amazon.nova-9000\""), "{told}");
    assert!(!told.contains("listens on"), "{told}");
    let checked =
        run(program(&["check", "--config"]).arg(path).env("BEDROCK_INFERENCE_UPSTREAM", "emulator"));
    assert!(checked.stdout.contains("failed models: aliases.mine.targets[0].model"), "{checked:?}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let told = run(&mut program(&["serve", "--config", "/nonexistent/gateway.toml"])).bad(2);
    assert!(told.contains("/nonexistent/gateway.toml"), "{told}");
}

#[test]
fn the_environment_wins_over_the_file_and_flags_win_over_both() {
    let path = file("gateway.toml", "upstream = \"emulator\"\nlisten = \"127.0.0.2:0\"\n");
    let by_file = Running::start(program(&["serve", "--config"]).arg(&path));
    assert_eq!(by_file.addr.ip().to_string(), "127.0.0.2");
    let by_environment = Running::start(
        program(&["serve", "--config"]).arg(&path).env("BEDROCK_INFERENCE_LISTEN", "127.0.0.3:0"),
    );
    assert_eq!(by_environment.addr.ip().to_string(), "127.0.0.3");
    let by_flag = Running::start(
        program(&["serve", "--listen", "127.0.0.4:0", "--config"])
            .arg(&path)
            .env("BEDROCK_INFERENCE_LISTEN", "127.0.0.3:0"),
    );
    assert_eq!(by_flag.addr.ip().to_string(), "127.0.0.4");
}

#[test]
fn a_mistake_in_the_environment_is_told_with_its_key() {
    let cases = [
        ("BEDROCK_INFERENCE_LISTN", "127.0.0.1:0", "listn"),
        ("BEDROCK_INFERENCE_TIMEOUTS__IDEL", "5s", "idel"),
        ("BEDROCK_INFERENCE_TIMEOUTS__IDLE", "5", "timeouts.idle"),
        ("BEDROCK_INFERENCE_LISTEN", "here", "listen"),
    ];
    for (name, value, key) in cases {
        let told = run(program(&["serve", "--upstream", "emulator"]).env(name, value)).bad(2);
        assert!(told.contains(key), "{name}: {told}");
    }
}

#[test]
fn variables_that_kubernetes_sets_for_services_of_our_name_are_no_mistake() {
    let path = file("gateway.toml", EMULATOR);
    let mut command = program(&["check", "--config"]);
    command.arg(path);
    for (name, value) in [
        ("BEDROCK_INFERENCE_SERVICE_HOST", "10.0.0.1"),
        ("BEDROCK_INFERENCE_SERVICE_PORT", "50051"),
        ("BEDROCK_INFERENCE_SERVICE_PORT_GRPC", "50051"),
        ("BEDROCK_INFERENCE_PORT", "tcp://10.0.0.1:50051"),
        ("BEDROCK_INFERENCE_PORT_50051_TCP_ADDR", "10.0.0.1"),
        ("BEDROCK_INFERENCE_ADMIN_SERVICE_HOST", "10.0.0.2"),
        ("BEDROCK_INFERENCE_ADMIN_SERVICE_PORT_HTTP", "8080"),
        ("BEDROCK_INFERENCE_ADMIN_PORT", "tcp://10.0.0.2:8080"),
        ("BEDROCK_INFERENCE_ADMIN_PORT_8080_TCP_PROTO", "tcp"),
    ] {
        command.env(name, value);
    }
    run(&mut command).good();
}

#[test]
fn strings_of_the_environment_stay_strings() {
    // A region or a profile that looks like a number is still text.
    let path = file("gateway.toml", EMULATOR);
    let told = run(program(&["check", "--config"])
        .arg(path)
        .env("BEDROCK_INFERENCE_AWS__PROFILE", "42")
        .env("BEDROCK_INFERENCE_AWS__REGION", "true")
        .env("BEDROCK_INFERENCE_SERVER__CORS_ORIGINS", "https://a.example.com,https://b.example.com"))
    .good();
    assert!(told.contains("2 origins"), "{told}");
}

#[test]
fn check_says_what_is_good() {
    let path = file("gateway.toml", EMULATOR);
    let told = run(program(&["check", "--config"]).arg(path)).good();
    assert_eq!(told.lines().filter(|line| line.starts_with("ok ")).count(), told.lines().count(), "{told}");
    for name in ["configuration", "listener", "gRPC-Web", "TLS", "models", "log", "upstream"] {
        assert!(told.contains(&format!(" {name}: ")), "{name}: {told}");
    }
}

#[test]
fn a_model_has_clocks_of_its_own_in_a_file() {
    let model = "[models.\"anthropic.claude-sonnet-4-5-20250929-v1:0\".timeouts]\ntotal = ";
    let path = file("models.toml", &format!("{EMULATOR}\n{model}\"20m\"\n"));
    let told = run(program(&["check", "--config"]).arg(path)).good();
    assert!(told.contains("1 with settings of their own"), "{told}");

    let path = file("models-zero.toml", &format!("{EMULATOR}\n{model}\"0s\"\n"));
    let told = run(program(&["serve", "--config"]).arg(path)).bad(2);
    let key = "models.\"anthropic.claude-sonnet-4-5-20250929-v1:0\".timeouts.total is too small";
    assert!(told.contains(key), "{told}");

    let path =
        file("models-unknown.toml", &format!("{EMULATOR}\n{}\"20m\"\n", model.replace("sonnet", "sonett")));
    let finished = run(program(&["check", "--config"]).arg(path));
    assert!(
        finished.stdout.contains("failed models: ") && finished.stdout.contains("sonett"),
        "{finished:?}"
    );
}

#[test]
fn check_looks_at_the_certificates() {
    let path =
        file("tls.toml", &format!("{EMULATOR}\n[server.tls]\ncertificate = \"/nonexistent/tls.crt\"\n"));
    let told = run(program(&["serve", "--config"]).arg(path)).bad(2);
    assert!(told.contains("server.tls.certificate is set, and server.tls.key is not"), "{told}");
    let tls = "certificate = \"/nonexistent/tls.crt\"\nkey = \"/nonexistent/tls.key\"\n";
    let path = file("tls-absent.toml", &format!("{EMULATOR}\n[server.tls]\n{tls}"));
    let finished = run(program(&["check", "--config"]).arg(&path));
    assert!(
        finished.stdout.contains("failed TLS: server.tls.certificate: /nonexistent/tls.crt"),
        "{finished:?}"
    );
    assert!(run(program(&["serve", "--config"]).arg(path)).bad(2).contains("server.tls.certificate"));
}

#[test]
fn check_says_everything_that_is_bad() {
    let path = file("gateway.toml", "listen = \"0.0.0.0:50051\"\n[server]\ncors_origins = [\"a\\nb\"]\n");
    let finished = run(program(&["check", "--config"]).arg(path));
    assert_eq!(finished.code, Some(2), "{finished:?}");
    let told = finished.stdout;
    for mistake in ["failed listener: ", "failed gRPC-Web: ", "failed upstream: no AWS region"] {
        assert!(told.contains(mistake), "{mistake}: {told}");
    }
    assert!(finished.stderr.contains("3 of the checks failed"), "{}", finished.stderr);
    let path = file("gateway.toml", "[log]\nfilter = \"a=b=c\"\nformat = \"json\"\n");
    let finished = run(program(&["check", "--config"]).arg(path).env("AWS_REGION", "us-east-1"));
    assert!(finished.stdout.contains("no AWS credentials"), "{finished:?}");
    assert!(finished.stdout.contains("log.filter"), "serve would not start: {finished:?}");
}
