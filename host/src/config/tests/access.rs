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
