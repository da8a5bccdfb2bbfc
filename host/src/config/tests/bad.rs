use super::{ONE_PROVIDER, parse};

/// Every expected line stands in the report, and nothing else is reported.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let Err(errors) = parse(text) else { panic!("accepted:\n{text}") };
    let report = errors.to_string();
    for line in expected {
        assert!(report.contains(line), "missing: {line}\nreported:\n{report}");
    }
    assert_eq!(errors.problems().len(), expected.len(), "reported:\n{report}");
    for problem in errors.problems() {
        assert!(problem.fix.is_some(), "no fix for {}: {}", problem.code, problem.cause);
    }
}

/// As [`check`], after the lines of one good provider (so the case starts at line 3).
#[track_caller]
fn check_with_provider(text: &str, expected: &[&str]) {
    check(&format!("{ONE_PROVIDER}{text}"), expected);
}

#[test]
fn syntax_errors_have_a_place() {
    check_with_provider("[server\n", &["seawall.toml:3:8: "]);
    check_with_provider("[server]\nlisten = \"a\n", &["4:12: ", "listen"]);
    check_with_provider(
        "[providers.up]\n",
        &["3:12: this key or table was given before (each may stand once"],
    );
}

#[test]
fn unknown_keys_name_the_nearest_one() {
    check_with_provider(
        "[server]\nlisten_adress = 1\n",
        &["seawall.toml:4:1: unknown key `listen_adress` in [server]"],
    );
    check_with_provider(
        "[server]\nlsten = 1\n",
        &["4:1: unknown key `lsten` in [server] (did you mean `listen`?)"],
    );
    check_with_provider("[sever]\n", &["3:2: unknown key `sever` here (did you mean `server`?)"]);
    check_with_provider("[admin]\nzzzzzz = 1\n", &["(known keys: listen, token)"]);
    check_with_provider(
        "[models.chat]\ntargets = [{ target = \"up/m\", wieght = 2.0 }]\n",
        &["unknown key `wieght` in [models.*.targets] (did you mean `weight`?)"],
    );
    check_with_provider(
        "[providers.up.models.\"a/b\"]\nvison = true\n",
        &["4:1: unknown key `vison` in [providers.up.models.a/b] (did you mean `vision`?)"],
    );
}

#[test]
fn all_problems_are_found_at_once_in_the_order_of_the_file() {
    let text = "[server]\nlisten = \"nowhere\"\nmax_body_bytes = 0\n[providers.up]\nadapter = 3\nbase_url = \"ftp://x\"\n\
                [models.chat]\ntargets = [\"down/m\"]\n";
    check(
        text,
        &[
            "2:10: `nowhere` is not an address",
            "3:18: a size of zero",
            "5:11: expected a string, found integer",
            "6:12: the base URL is neither http:// nor https://",
            "8:12: provider `down` is not configured",
        ],
    );
    let report = parse(text).unwrap_err().to_string();
    let lines: Vec<&str> = report.lines().filter_map(|line| line.split(':').nth(1)).collect();
    assert_eq!(lines, ["2", "3", "5", "6", "8"]);
}

#[test]
fn aliases() {
    check_with_provider(
        "[models.\"a/b\"]\ntargets = [\"up/m\"]\n",
        &["3:9: the alias name `a/b` holds a slash"],
    );
    check_with_provider(
        "[models.\"a b\"]\ntargets = [\"up/m\"]\n",
        &["3:9: the alias name `a b` holds other characters than it may"],
    );
    check_with_provider("[models.chat]\ntargets = []\n", &["4:11: an alias without targets answers nothing"]);
    check_with_provider("[models.chat]\n", &["3:1: `targets` is missing in [models.chat]"]);
    check_with_provider(
        "[models.chat]\ntargets = \"up/m\"\n",
        &["4:11: expected a list of targets, found string"],
    );
    check_with_provider("[models.chat]\ntargets = [\"m\"]\n", &["4:12: `m` does not say which provider"]);
    check_with_provider("[models.chat]\ntargets = [\"m\"]\n", &["write \"up/m\""]);
    check_with_provider("[models.chat]\ntargets = [\"up/\"]\n", &["write \"up/MODEL\""]);
    check_with_provider("[models.chat]\ntargets = [\"upp/m\"]\n", &["did you mean \"up/m\"?"]);
    check_with_provider("[models.chat]\ntargets = [\"elsewhere/m\"]\n", &["use one of: up"]);
    check_with_provider(
        "[models.chat]\ntargets = [\n  \"up/m\",\n  { target = \"up/m\" },\n]\n",
        &["6:3: target `up/m` appears twice"],
    );
    check_with_provider(
        "[models.chat]\ntargets = [{ target = \"up/m\", weight = 0 }]\n",
        &["4:40: a weight must be above zero"],
    );
    check_with_provider("[models.chat]\ntargets = [{ weight = 1 }]\n", &["`target` is missing"]);
    check_with_provider(
        "[models.chat]\ntargets = [\"up/m\"]\npolicy = { config = {} }\n",
        &["5:10: `plugin` is missing in [models.chat.policy]"],
    );
    check_with_provider(
        "[models.chat]\ntargets = [\"up/m\"]\nreport_model = \"both\"\n",
        &["5:16: `both` is not one of the choices (choose \"alias\" or \"upstream\")"],
    );
}

#[test]
fn durations() {
    let limits = |value: &str| format!("[defaults.timeouts]\nstall = {value}\n");
    check_with_provider(
        &limits("5"),
        &["4:9: 5 has no unit (a number and a unit: \"250ms\", \"2s\", \"1m\")"],
    );
    check_with_provider(&limits("\"5\""), &["`5` is not a duration"]);
    check_with_provider(&limits("\"5 parsecs\""), &["`5 parsecs` is not a duration"]);
    check_with_provider(&limits("\"-5s\""), &["`-5s` is not a duration"]);
    check_with_provider(&limits("\"1e9s\""), &["`1e9s` is not a duration"]);
    check_with_provider(&limits("\"0s\""), &["a time limit of zero"]);
    check_with_provider(&limits("\"2h\""), &["`2h` is longer than an hour"]);
    check_with_provider(&limits("true"), &["expected a string, found boolean"]);
}

#[test]
fn sizes() {
    let size = |value: &str| format!("[server]\nmax_event_bytes = {value}\n");
    check_with_provider(&size("-1"), &["4:19: a size cannot be negative"]);
    check_with_provider(&size("\"2GiB\""), &["larger than 1GiB"]);
    check_with_provider(&size("\"lots\""), &["`lots` is not a size"]);
    check_with_provider(&size("99999999999999999999"), &["out of range"]);
}

#[test]
fn addresses() {
    let listen = |value: &str| format!("[server]\nlisten = \"{value}\"\n");
    check_with_provider(
        &listen("localhost:9000"),
        &["4:10: `localhost:9000` is not an address to listen at (names"],
    );
    check_with_provider(&listen(":9000"), &["or \"0.0.0.0:9000\" for every interface"]);
    check_with_provider(&listen("127.0.0.1"), &["an IP address and a port"]);
    check_with_provider(&listen("127.0.0.1:8081"), &["[server] and [admin] both listen on 127.0.0.1:8081"]);
}

#[test]
fn strangers_need_keys_or_a_word() {
    check_with_provider(
        "[server]\nlisten = \"0.0.0.0:80\"\n",
        &["4:10: anybody who reaches 0.0.0.0:80 could spend"],
    );
    check_with_provider("[server]\nlisten = \"[::]:80\"\nopen = false\n", &["anybody who reaches [::]:80"]);
    check_with_provider(
        "[admin]\nlisten = \"0.0.0.0:81\"\n",
        &["4:10: the admin address 0.0.0.0:81 can be reached"],
    );
    check_with_provider(
        "[admin]\nlisten = \"0.0.0.0:81\"\ntoken = { env = \"NOT_SET\" }\n",
        &["5:9: environment variable NOT_SET is not set"],
    );
    check_with_provider(
        "[server]\nopen = true\n[[clients]]\nname = \"a\"\nkey = { env = \"UP_KEY\" }\n",
        &["4:8: `open = true` has no effect"],
    );
}

#[test]
fn base_urls() {
    let url = |value: &str| format!("[providers.up]\nadapter = \"chatty\"\nbase_url = \"{value}\"\n");
    check(&url("host/v1"), &["3:12: the base URL is neither http:// nor https://"]);
    check(&url("https:///v1"), &["the base URL cannot be read"]);
    check(&url("https://host/v1?key=abc"), &["the base URL has a query or a fragment"]);
    check(&url("https://host/v1#x"), &["the base URL has a query or a fragment"]);
    check(&url("https://me:secret@host/v1"), &["the base URL holds a user name or password"]);
    check(&url("https://a b/v1"), &["the base URL cannot be read"]);
}

#[test]
fn secrets() {
    let key = |value: &str| format!("[providers.up]\nadapter = \"chatty\"\ncredential = {value}\n");
    check(
        &key("{ env = \"NOT_SET\" }"),
        &["3:14: environment variable NOT_SET is not set (set it before the start: export NOT_SET=...)"],
    );
    check(&key("{ env = \"EMPTY\" }"), &["environment variable EMPTY is not set"]);
    check(&key("{ file = \"absent\" }"), &["3:14: cannot read /etc/seawall/absent: No such file"]);
    check(&key("{ vault = \"x\" }"), &["3:16: `vault` is no place for a secret"]);
    check(&key("{ env = \"A\", file = \"b\" }"), &["a secret has exactly one place"]);
    check(&key("{}"), &["a secret has exactly one place"]);
    check(&key("7"), &["expected a table, found integer"]);
}

#[test]
fn a_secret_in_the_file_is_refused_and_never_quoted() {
    for text in [
        "credential = \"sk-very-secret\"",
        "credential = { value = \"sk-very-secret\" }",
        "credential = { env = \"A\", value = \"sk-very-secret\" }",
        "base_url = \"https://user:sk-very-secret@host\"",
        "base_url = \"https://host/?key=sk-very-secret\"",
    ] {
        let errors = parse(&format!("{ONE_PROVIDER}{text}\n")).unwrap_err();
        for shown in [errors.to_string(), errors.render_plain(), format!("{errors:?}")] {
            assert!(!shown.contains("very-secret"), "{text} is quoted:\n{shown}");
        }
    }
}

#[test]
fn interpolation() {
    let dir = |value: &str| format!("[plugins]\ndir = \"{value}\"\n");
    check_with_provider(&dir("${NOT_SET}"), &["4:7: environment variable NOT_SET is not set"]);
    check_with_provider(&dir("${OPEN"), &["4:7: `${` without a closing `}`"]);
    check_with_provider(&dir("${A B}"), &["4:7: `A B` is not a variable's name"]);
    check_with_provider(&dir("${}"), &["`` is not a variable's name"]);
    check(
        "[providers.up]\nadapter = \"chatty\"\n[providers.up.config]\nregion = \"x\"\nnames = [\"${NOT_SET}\"]\n",
        &["5:10: environment variable NOT_SET is not set"],
    );
}

#[test]
fn clients() {
    let client =
        |name: &str, key: &str| format!("[[clients]]\nname = \"{name}\"\nkey = {{ env = \"{key}\" }}\n");
    let two = |a: (&str, &str), b: (&str, &str)| client(a.0, a.1) + &client(b.0, b.1);
    check_with_provider(&two(("a", "UP_KEY"), ("a", "OTHER_KEY")), &["7:8: client `a` appears twice"]);
    check_with_provider(
        &two(("a", "UP_KEY"), ("b", "UP_KEY")),
        &["8:7: clients `a` and `b` have the same key"],
    );
    check_with_provider("[[clients]]\nname = \"a\"\n", &["3:1: `key` is missing in [clients]"]);
    check_with_provider(
        "[clients]\nname = \"a\"\n",
        &["3:1: expected a list of tables, found table (write [[clients]])"],
    );
}

#[test]
fn nothing_to_answer_with() {
    check("", &["seawall.toml: no provider is configured"]);
    check("[providers.up]\n", &["1:1: `adapter` is missing in [providers.up]"]);
    check("[providers.\"a/b\"]\nadapter = \"x\"\n", &["1:12: the provider name `a/b` holds a slash"]);
}

#[test]
fn the_report_quotes_the_line_with_a_caret_and_the_fix() {
    let report =
        parse("[providers.up]\nadapter = \"chatty\"\n[server]\nlsten = 1\n").unwrap_err().render_plain();
    for part in [
        "unknown-key",
        "unknown key `lsten` in [server]",
        "[seawall.toml:4:1]",
        "4 | lsten = 1",
        "^^^^^",
        "help: did you mean `listen`?",
    ] {
        assert!(report.contains(part), "missing: {part}\n{report}");
    }
}

#[test]
fn an_unreadable_file_says_so() {
    let path = std::path::Path::new("/nowhere/seawall.toml");
    let errors = super::Config::load(path, &super::environment()).unwrap_err();
    assert!(
        errors
            .to_string()
            .starts_with("/nowhere/seawall.toml: cannot read /nowhere/seawall.toml: No such file")
    );
    let home = tempfile::tempdir().unwrap();
    let binary = home.path().join("b.toml");
    std::fs::write(&binary, [0xff, 0xfe]).unwrap();
    let errors = super::Config::load(&binary, &super::environment()).unwrap_err();
    assert!(errors.to_string().contains("text in UTF-8"), "{errors}");
}

#[test]
fn limits_of_the_ingress() {
    let server = |line: &str| format!("[server]\n{line}\n");
    check_with_provider(&server("max_requests = 0"), &["4:16: 0 is out of range (a whole number from 1 to"]);
    check_with_provider("[plugins]\ninstances = 0\n", &["0 is out of range (a whole number from 1 to 8000)"]);
    check_with_provider(&server("max_queued = -1"), &["4:14: -1 is out of range (a whole number from 0 to"]);
    check_with_provider(&server("max_requests = \"10\""), &["expected a whole number, found string"]);
    check_with_provider(&server("send_timout = \"1s\""), &["did you mean `send_timeout`?"]);
}

#[test]
fn breakers() {
    let breaker = |line: &str| format!("[breaker]\n{line}\n");
    check_with_provider(&breaker("consecutive = 0"), &["4:15: 0 is out of range"]);
    check_with_provider(&breaker("failure_rate = 50"), &["4:16: 50 is not a share (above 0 and at most 1"]);
    check_with_provider(&breaker("failure_rate = 0"), &["0 is not a share"]);
    check_with_provider(&breaker("probes = 21"), &["21 is out of range (a whole number from 1 to 20)"]);
    check_with_provider(&breaker("open_bse = \"1s\""), &["did you mean `open_base`?"]);
    check_with_provider(
        &breaker("open_base = \"20s\""),
        &[
            "4:13: the first open time (20s) is longer than the longest (15s) (set open_base to at most open_cap)",
        ],
    );
}

#[test]
fn what_an_alias_says_about_failures() {
    let alias = |line: &str| format!("[models.chat]\ntargets = [\"up/a\", \"up/b\"]\n{line}\n");
    check_with_provider(
        &alias("probe = \"twins\""),
        &["5:9: `twins` is not one of the choices (choose \"twin\" or \"request\")"],
    );
    check_with_provider(&alias("hedge = \"no\""), &["5:9: expected true or false, found string"]);
    check_with_provider(
        &alias("hedges = true"),
        &["5:1: unknown key `hedges` in [models.chat] (did you mean `hedge`?)"],
    );
    check_with_provider(
        &alias("continue = [\"prefill\", \"repeat\"]"),
        &["5:24: `repeat` is not one of the choices (choose \"prefill\" or \"restart\" or \"instruct\")"],
    );
    check_with_provider(&alias("continue = false"), &["5:12: expected a list of ways, found boolean"]);
    check_with_provider(&alias("atomic = \"json\""), &["choose \"tools\" or \"tools+json\" or \"off\""]);
    check_with_provider(&alias("slo = { first_token = 2 }"), &["5:23: 2 has no unit"]);
    check_with_provider(&alias("slo = { first = \"2s\" }"), &["unknown key `first` in [models.chat.slo]"]);
    check_with_provider(&alias("first_token_budget = \"0s\""), &["a time limit of zero"]);
    check_with_provider(
        &alias("pools = [[\"up/a\", \"up/c\"]]"),
        &["5:19: `up/c` is not one of this alias' targets (did you mean \"up/"],
    );
    check_with_provider(&alias("pools = [[\"up/a\"]]"), &["5:10: a pool of one has nothing to choose from"]);
    check_with_provider(
        &alias("pools = [\"up/a\", \"up/b\"]"),
        &["5:10: expected a list of targets, found string"],
    );
    check_with_provider(
        &alias("pools = [[\"up/a\", \"up/b\"], [\"up/b\", \"up/a\"]]"),
        &["5:29: `up/b` is in a pool already", "5:37: `up/a` is in a pool already"],
    );
    check_with_provider(
        "[models.chat]\ntargets = [{ target = \"up/a\", timeouts = { total = \"1s\" } }]\n",
        &["unknown key `total` in [models.*.targets.timeouts] (known keys: first_token, answer)"],
    );
    check(
        "[providers.up]\nadapter = \"x\"\ndomains = \"eu\"\n",
        &["3:11: expected a list of names, found string"],
    );
    check(
        "[providers.up]\nadapter = \"x\"\ndomains = [\"eu\", \"a/b\"]\n",
        &["3:18: the domain name `a/b` holds a slash"],
    );
}

#[test]
fn an_audit_trail_that_cannot_be_meant() {
    check_with_provider(
        "[audit]\nqueue = 1\nmax_age = \"30\"\nmax_size = \"1KiB\"\nmax_spill = \"much\"\n",
        &[
            "4:9: 1 is out of range",
            "5:11: `30` is no time to keep something for",
            "6:12: less than 1048576 bytes",
            "7:13: `much` is no size",
        ],
    );
    check_with_provider(
        "[models.chat]\ntargets = [\"up/m\"]\n[audit.content]\nmodels = [\"chat\", \"chit\"]\nredact = [\"names\"]\n",
        &[
            "6:19: no alias `chit` is configured (content is kept for aliases: chat)",
            "7:11: `names` is nothing that can be redacted",
        ],
    );
}
