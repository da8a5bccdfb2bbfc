use super::{ONE_PROVIDER, good};
use crate::config::Access;

#[test]
fn a_key_finds_its_client_and_only_its_own() {
    let config = good(&format!(
        "{ONE_PROVIDER}[[clients]]\nname = \"a\"\nkey = {{ env = \"UP_KEY\" }}\n\
         [[clients]]\nname = \"b\"\nkey = {{ env = \"OTHER_KEY\" }}\ntenant = \"team\"\n"
    ));
    let found = |key| config.access.client_for(key).map(|client| (&*client.name, &*client.tenant));
    assert_eq!(found("sk-one"), Some(("a", "default")));
    assert_eq!(found("sk-two"), Some(("b", "team")));
    for wrong in ["", "sk-on", "sk-one ", "sk-onE", "sk-three"] {
        assert_eq!(found(wrong), None, "{wrong}");
    }
}

#[test]
fn an_open_gateway_has_no_clients() {
    assert!(good(ONE_PROVIDER).access.client_for("sk-one").is_none());
}

#[test]
fn keys_are_not_shown() {
    let config = good(&format!("{ONE_PROVIDER}[[clients]]\nname = \"a\"\nkey = {{ env = \"UP_KEY\" }}\n"));
    assert_eq!(format!("{:?}", config.access), r#"Keyed([Client { name: "a", tenant: "default", .. }])"#);
    assert!(matches!(config.access, Access::Keyed(_)));
}

#[test]
fn another_address_is_held_to_the_same_rule() {
    let beyond = || "0.0.0.0:9000".parse().unwrap();
    let error = good(ONE_PROVIDER).listen_at(beyond()).unwrap_err();
    assert!(error.to_string().contains("anybody who reaches 0.0.0.0:9000"), "{error}");

    let mut open = good(&format!("{ONE_PROVIDER}[server]\nlisten = \"0.0.0.0:80\"\nopen = true\n"));
    open.listen_at(beyond()).unwrap();
    assert_eq!(open.server.listen, beyond());

    let client = "[[clients]]\nname = \"a\"\nkey = { env = \"UP_KEY\" }\n";
    good(&format!("{ONE_PROVIDER}{client}")).listen_at(beyond()).unwrap();
}
