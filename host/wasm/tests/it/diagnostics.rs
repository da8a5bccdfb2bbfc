//! Every bad file has its diagnosis, and none of them disturbs the others.

use seawall_wasm::{Binding, State, check_file};

use crate::support::*;

fn bad_files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let guests = guests();
    let half = guests.adapter[..guests.adapter.len() / 2].to_vec();
    vec![
        ("text", b"not a plugin".to_vec(), "P001"),
        ("empty", Vec::new(), "P002"),
        ("truncated", half, "P002"),
        ("flipped", replace(&guests.adapter, "asm", "azm"), "P001"),
        ("core-module", b"\0asm\x01\0\0\0".to_vec(), "P003"),
        ("wrong-world", guests.wrong_world.clone(), "P010"),
        ("next-contract", replace(&guests.adapter, "@0.1.0", "@0.2.0"), "P011"),
        ("sockets", guests.sockets.clone(), "P012"),
        ("foreign", replace(&guests.adapter, "wasi:random/", "wasi:ramdon/"), "P013"),
        ("describe-traps", adapter("describe-trap", ""), "P016"),
        ("describe-spins", adapter("describe-spin", ""), "P031"),
        ("describe-sleeps", adapter("describe-sleep", ""), "P035"),
        ("scheme", adapter("scheme", ""), "P021"),
        ("auth-name", adapter("auth-header-name", ""), "P021"),
        ("protocol", adapter("protocol", ""), "P023"),
        ("steals", adapter("steal", ""), "P024"),
        ("spins", adapter("spin", ""), "P031"),
        ("traps", adapter("trap", ""), "P030"),
        ("bombs", adapter("bomb", ""), "P032"),
        ("overflows", adapter("stack", ""), "P033"),
        ("floods", adapter("huge", ""), "P034"),
        ("aws", adapter("aws", ""), "P044"),
        ("forges", adapter("auth-header", ""), "P041"),
        ("elsewhere", adapter("host-path", ""), "P042"),
        ("decoder", adapter("decoder-trap", ""), "P030"),
    ]
}

#[tokio::test]
async fn every_bad_file_has_its_code_and_the_healthy_one_serves() {
    let bad = bad_files();
    let good = adapter("", "1");
    let mut files: Vec<(&str, &[u8])> = bad.iter().map(|(id, bytes, _)| (*id, bytes.as_slice())).collect();
    files.push(("good", &good));
    let house = House::new(&files, vec![binding("p", "good")]);
    for (id, _, code) in &bad {
        let status = house.status(id);
        assert_eq!(status.state, State::Rejected, "{id}");
        let problem = status.last_problem.unwrap_or_else(|| panic!("{id} has a problem"));
        assert_eq!(problem.code.as_str(), *code, "{id}: {problem}");
        assert!(!problem.cause.is_empty() && !problem.fix.is_empty());
    }
    assert_eq!(house.host.problems().len(), bad.len());
    assert_eq!(mark(&house.adapter("p")).await, "1");
    let json = serde_json::to_value(house.host.status()).unwrap();
    assert_eq!(json[0]["state"], "rejected");
    let good = json.as_array().unwrap().iter().find(|status| status["id"] == "good").unwrap();
    assert_eq!(
        (&good["kind"], &good["source"], &good["contract"]),
        (&"adapter".into(), &"file".into(), &"0.1.0".into())
    );
}

#[test]
fn check_tells_the_same_without_a_gateway() {
    let dir = tempfile::tempdir().unwrap();
    let check = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        check_file(&path, &limits())
    };
    let good = check("good.wasm", &adapter("", "1"));
    assert_eq!(good.problem, None);
    let version = good.version.unwrap();
    assert!(
        version.imports.iter().any(|import| import == "seawall:plugin/host@0.1.0"),
        "{:?}",
        version.imports
    );
    let info = good.adapter.unwrap();
    assert_eq!(info.credential_env, ["BAD_API_KEY"]);
    assert_eq!(info.default_base_url.as_deref(), Some("https://bad.example/v1"));
    assert!(info.needs_credential);

    let kinds = check("faults.wasm", &guests().fault).fault_kinds;
    assert_eq!(kinds.first().map(String::as_str), Some("pass"));
    assert_eq!(check("policy.wasm", &guests().policy).problem, None);
    let code = |name: &str, bytes: &[u8]| check(name, bytes).problem.map(|problem| problem.code.as_str());
    assert_eq!(code("sockets.wasm", &guests().sockets), Some("P012"));
}

#[test]
fn a_file_that_is_not_read_comes_with_the_fix_for_its_case() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".hidden.wasm"), b"x").unwrap();
    std::fs::write(dir.path().join("large.wasm"), vec![0; 2048]).unwrap();
    std::fs::create_dir(dir.path().join("folder.wasm")).unwrap();
    let limits = seawall_wasm::Limits { file: 1024, ..limits() };
    let check = |name: &str, fix: &str| {
        let problem = check_file(&dir.path().join(name), &limits).problem.unwrap();
        assert_eq!(problem.code.as_str(), "P004", "{name}: {problem}");
        assert!(problem.fix.contains(fix), "{name}: {problem}");
    };
    check(".hidden.wasm", "rename it");
    check("with space.wasm", "rename it");
    check("missing.wasm", "path and name");
    check("large.wasm", "strip");
    check("folder.wasm", "the .wasm file itself");
}

#[tokio::test]
async fn what_an_operator_got_wrong_leaves_the_plugin_in_order() {
    let refused = Binding { config_json: r#"{"refuse":1}"#.into(), ..binding("refused", "good") };
    let homeless = binding("homeless", "homeless");
    let housed = Binding { base_url: Some("http://127.0.0.1:9".into()), ..binding("housed", "homeless") };
    let files: &[(&str, &[u8])] =
        &[("good", &adapter("", "1")), ("homeless", &adapter("homeless", "2")), ("policy", &guests().policy)];
    let bindings = vec![
        binding("p", "good"),
        refused,
        homeless,
        housed,
        binding("nobody", "missing"),
        binding("other", "policy"),
    ];
    let house = House::new(files, bindings);
    let problems: Vec<_> = house
        .host
        .problems()
        .into_iter()
        .map(|(id, problem)| (id, problem.provider.clone().unwrap_or_default(), problem.code.as_str()))
        .collect();
    let expect = [("refused", "P020"), ("homeless", "P022"), ("nobody", "P025"), ("other", "P026")];
    assert_eq!(problems, expect.map(|(provider, code)| (None, provider.to_owned(), code)));
    let cause = house.host.problems()[0].1.clone();
    assert!(cause.cause.contains("/refuse") && cause.fix == "remove it", "{cause}");
    assert_eq!(mark(&house.adapter("p")).await, "1");
    assert_eq!(mark(&house.adapter("housed")).await, "2");
    assert_eq!(house.status("good").state, State::Active);
}
