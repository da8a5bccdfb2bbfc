//! What can be said of a file without running it.

use wasmtime::component::Component;

use crate::ambient;
use crate::contract::v0_1::answers::cut;
use crate::diagnose::{Code, Problem};
use crate::status::Kind;

const PACKAGE: &str = "seawall:plugin/";
const CONTRACT: &str = "0.1";
pub(super) const DIALECT: &str = "seawall:plugin/dialect@0.1.0";

const MAGIC: &[u8] = b"\0asm";
const CORE_VERSION: &[u8] = &[1, 0, 0, 0];

/// Refuses what is no component at all.
pub(super) fn file(bytes: &[u8]) -> Result<(), Problem> {
    let Some(version) = bytes.strip_prefix(MAGIC) else {
        return Err(if MAGIC.starts_with(bytes) {
            Problem::new(Code::Truncated, format!("the file ends after {} bytes", bytes.len()))
        } else {
            Problem::new(Code::NotWasm, "the file does not begin like WebAssembly")
        });
    };
    if version.starts_with(CORE_VERSION) {
        return Err(Problem::new(Code::CoreModule, "the file is a core module, not a component"));
    }
    Ok(())
}

pub(super) fn compile_error(error: &wasmtime::Error) -> Problem {
    let text = format!("{error:#}");
    if text.contains("component model async") {
        return Problem::new(
            Code::ForeignImport,
            "it uses asynchronous component features, which this host does not have",
        );
    }
    Problem::new(Code::Truncated, format!("the file is damaged or cut short: {}", cut(&text)))
}

/// The interfaces that it imports, all of which this host answers.
pub(super) fn imports(component: &Component) -> Result<Vec<String>, Problem> {
    let ty = component.component_type();
    let mut names = Vec::new();
    for (name, _) in ty.imports(component.engine()) {
        // The standard library imports sockets only when a plugin's code can reach them.
        if name.starts_with("wasi:sockets/") {
            return Err(Problem::new(Code::ImportsSockets, format!("it imports {}", cut(name))));
        }
        if let Some(own) = name.strip_prefix(PACKAGE) {
            contract_version(own)?;
        } else if !ambient::offers(name) {
            return Err(Problem::new(
                Code::ForeignImport,
                format!("it imports {}, which this host does not offer", cut(name)),
            ));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// What kind of plugin it is, and for which version of the contract.
pub(super) fn exports(component: &Component) -> Result<(Kind, String), Problem> {
    let ty = component.component_type();
    let own: Vec<&str> =
        ty.exports(component.engine()).filter_map(|(name, _)| name.strip_prefix(PACKAGE)).collect();
    for (interface, kind) in [("provider", Kind::Adapter), ("policy", Kind::Policy), ("fault", Kind::Fault)] {
        let found = own.iter().find(|name| name.split('@').next() == Some(interface));
        if let Some(name) = found {
            return Ok((kind, contract_version(name)?));
        }
    }
    let names: Vec<_> = ty.exports(component.engine()).map(|(name, _)| cut(name)).take(5).collect();
    let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    Err(Problem::new(Code::WrongWorld, format!("it exports {names}, which is no plugin of this host")))
}

fn contract_version(interface: &str) -> Result<String, Problem> {
    let version = interface.split_once('@').map_or("", |(_, version)| version);
    let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
    if minor == CONTRACT {
        return Ok(version.to_owned());
    }
    Err(Problem::new(
        Code::ContractVersion,
        format!("it was built for version {} of the contract, this host speaks {CONTRACT}", cut(version)),
    ))
}
