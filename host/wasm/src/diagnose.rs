//! Every way a plugin can go wrong, with a stable code, its cause and its fix.
//!
//! Codes never change their meaning: P00x the file, P01x its imports and exports, P02x its configuration, P03x what it
//! did to the machine, P04x what it said, P05x what the host did about it.

use std::fmt;

use seawall_core::ports::PluginFault;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $fix:literal;)*) => {
        /// A stable diagnostic code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code, for documentation and tests.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as users see it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What to do about it.
            pub fn fix(self) -> &'static str {
                match self { $(Self::$name => $fix,)* }
            }
        }
    };
}

codes! {
    /// The file is not WebAssembly.
    NotWasm = "P001", "put only WebAssembly components (*.wasm) into the plugins directory";
    /// The file is WebAssembly, but damaged or cut short.
    Truncated = "P002", "build it again, and copy it to a temporary name first and then rename it";
    /// A core module, not a component.
    CoreModule = "P003",
        "build for wasm32-wasip2, or turn the module into a component with `wasm-tools component new`";
    /// The file cannot be read.
    Unreadable = "P004", "make it a file that the gateway's user may read";
    /// The component exports nothing of the contract.
    WrongWorld = "P010", "export `provider`, `policy` or `fault` of the package seawall:plugin";
    /// The component was built for a contract version that this host does not speak.
    ContractVersion = "P011", "build it against the contract version that this host names";
    /// The component wants to open connections itself.
    ImportsSockets = "P012",
        "remove the networking code (std::net, an HTTP client): the host makes all calls, the plugin only describes them";
    /// The component imports something that this host does not offer.
    ForeignImport = "P013", "remove the dependency that needs it, or switch that feature of the toolchain off";
    /// An export of the contract's name has another shape.
    WrongShape = "P014", "generate the bindings from this host's wit/ again and rebuild";
    /// The component could not be started.
    Start = "P015", "look at what its static initialisers do";
    /// `describe` failed.
    Describe = "P016", "`describe` must return constants; try it with `seawall plugin check`";
    /// The configuration of a provider or policy is refused by the plugin.
    BadConfig = "P020", "correct the member that the path names";
    /// An auth scheme that this host does not implement.
    UnknownAuth = "P021", "use none, bearer, header or query, or a named scheme of this host";
    /// Neither the operator nor the adapter names a base URL.
    NoBaseUrl = "P022", "set `base_url` for this provider";
    /// The adapter accepts no protocol that this host knows.
    UnknownProtocol = "P023", "accept \"chat\"";
    /// The adapter wants to read a client header that may hold a credential.
    CredentialHeader = "P024", "remove it from `client-headers`";
    /// A provider names a plugin that is not loaded.
    NotLoaded = "P025", "put the plugin's file into the plugins directory, or correct the provider's `plugin`";
    /// A provider names a plugin that is no adapter.
    NotAnAdapter = "P026", "name a provider adapter";
    /// The plugin trapped.
    Trap = "P030", "the plugin panicked or hit `unreachable`: run it with `seawall plugin test` and the same input";
    /// The plugin used more CPU time than a call may.
    Deadline = "P031", "find the loop that does not end, or do less work per call";
    /// The plugin wanted more memory than an instance may have.
    Memory = "P032", "do not keep data between calls, and free large bodies";
    /// The plugin ran out of stack, or read outside its memory.
    Stack = "P033", "find the recursion without an end";
    /// The plugin returned or passed more data than a call may.
    OutputTooLarge = "P034", "return a merge patch instead of the whole body, and leave blob tokens where they are";
    /// The plugin tried to sleep or wait.
    Sleeps = "P035", "a plugin computes, it never waits: time comes as an argument";
    /// The plugin tried to end its process.
    Exit = "P036", "return an error instead of exiting";
    /// Every instance is in use.
    Busy = "P037", "raise `plugins.instances`, or send less at once; nothing is held against the plugin";
    /// The system refuses memory or address space for one more instance.
    NoMemory = "P052",
        "give the process more memory, or lower `plugins.instances`; nothing is held against the plugin";
    /// A stream's instance is gone because an earlier call failed.
    Gone = "P038", "see the plugin's earlier fault";
    /// The host itself failed.
    Host = "P039", "this is a defect of the host: please report it with the log";
    /// The request body cannot be used.
    BadBody = "P040", "return a JSON object as merge patch, or a whole JSON body";
    /// A header that belongs to the host.
    ForbiddenHeader = "P041", "name an auth scheme in `configure` instead of writing credentials";
    /// A path that could lead elsewhere.
    BadPath = "P042", "return path and query only, starting with one slash and without dot segments";
    /// Not an HTTP method.
    BadMethod = "P043", "use GET, POST, PUT, PATCH or DELETE";
    /// A framing that this host does not implement.
    Framing = "P044", "use sse, json-lines, json-array or auto";
    /// The translated reply cannot be used.
    BadAnswer = "P045", "return JSON in the protocol of the request";
    /// An event of a stream cannot be used.
    BadEvent = "P046", "`raw-choice` holds a JSON object";
    /// The plugin declined.
    Declined = "P047", "see the plugin's own words";
    /// The plugin kept failing and was replaced by its last good generation.
    RolledBack = "P050", "correct the plugin and copy it again; the older generation serves meanwhile";
    /// The plugin keeps failing, and there is no older generation.
    KeepsFailing = "P051", "replace the plugin, or take it out of the cascade";
}

impl Code {
    /// Whether the host has no place for the call: a matter of load.
    pub(crate) fn is_back_pressure(self) -> bool {
        matches!(self, Self::Busy | Self::NoMemory)
    }

    /// Whether a fault of this code says that the plugin is broken. A full pool and a refusal in words do not.
    pub(crate) fn blames_plugin(self) -> bool {
        !(self.is_back_pressure()
            || matches!(self, Self::Declined | Self::Host | Self::Gone | Self::BadConfig))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Something that is wrong with a plugin or with what an operator configured for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error, ToSchema)]
#[error("{code}: {cause}; {fix}")]
#[schema(as = PluginProblem)]
pub struct Problem {
    /// Which kind.
    #[schema(value_type = String)]
    pub code: Code,
    /// What happened, in this case.
    pub cause: String,
    /// What to do.
    pub fix: String,
    /// The provider whose configuration it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

impl Problem {
    /// A problem with the code's own fix.
    pub fn new(code: Code, cause: impl Into<String>) -> Self {
        Self { code, cause: cause.into(), fix: code.fix().to_owned(), provider: None }
    }

    /// The same problem, with a fix that fits this case better than the code's own.
    #[must_use]
    pub(crate) fn fixed_by(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// The same problem, of this provider.
    #[must_use]
    pub(crate) fn of(mut self, provider: &str) -> Self {
        self.provider = Some(provider.to_owned());
        self
    }
}

impl From<Problem> for PluginFault {
    fn from(problem: Problem) -> Self {
        let message = format!("{}; {}", problem.cause, problem.fix);
        Self { code: problem.code.as_str(), message, busy: problem.code.is_back_pressure() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_have_a_fix() {
        let codes: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.as_str().len() == 4 && code.as_str().starts_with('P'), "{code}");
            assert!(code.fix().len() > 10, "{code}");
        }
    }

    #[test]
    fn a_full_pool_is_busy_and_nobody_is_to_blame() {
        let fault = PluginFault::from(Problem::new(Code::Busy, "all 4 instances are in use"));
        assert!(fault.busy && fault.code == "P037");
        assert!(!Code::Busy.blames_plugin());
        assert!(!PluginFault::from(Problem::new(Code::Trap, "x")).busy);
    }
}
