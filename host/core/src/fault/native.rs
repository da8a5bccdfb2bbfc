//! Faults of the gateway itself, which need no component: whatever happens before a provider can say anything.

use std::time::Duration;

use seawall_params::delay::Delay;
use seawall_params::kinds::{Form, Kind, Param};
use seawall_params::options::Finding;
use seawall_params::random::Draws;

use super::{ArmError, FaultMatch};
use crate::class::Class;
use crate::ports::{ConfigProblem, FaultAction, FaultVerdict, TransportFailure};

const fn kind(
    name: &'static str,
    layer: &'static str,
    about: &'static str,
    params: &'static [Param],
) -> Kind {
    Kind { name, layer, about, params }
}

/// What the gateway offers by itself.
pub(super) const KINDS: &[Kind] = &[
    kind("dns-nxdomain", "connect", "The provider's name does not resolve", &[]),
    kind(
        "dns-slow",
        "connect",
        "Resolving the provider's name takes a time drawn from a distribution",
        &[Param { name: "", about: "", form: Form::Delay { usual: Delay::around(3000.0) } }],
    ),
    kind("refused", "connect", "The provider refuses connections", &[]),
    kind("connect-timeout", "connect", "No connection comes about within the time limit", &[]),
    kind("tls-bad-cert", "connect", "The provider's certificate is not trusted", &[]),
    kind(
        "hang",
        "headers",
        "Connections are accepted and nothing ever comes; with a distribution, it comes late",
        &[Param { name: "", about: "", form: Form::MaybeDelay }],
    ),
    kind("reset", "headers", "Connections break before an answer", &[]),
    kind("kill-provider", "pool", "One provider is gone: no connection to it (match names it)", &[]),
    kind("kill-pool", "pool", "One failure domain is gone: no connection to any of it (match names it)", &[]),
    kind("kill-credential", "pool", "A provider no longer takes our key (match names it)", &[]),
];

/// One of them, with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Native {
    NoName,
    SlowName(Delay),
    Refused,
    ConnectTimeout,
    BadCertificate,
    Hang(Option<Delay>),
    Reset,
    Revoked,
}

impl Finding for ConfigProblem {
    fn found(path: String, message: String, fix: Option<String>) -> Self {
        Self { path, message, fix }
    }
}

impl Native {
    /// The kind of this name, if the gateway has it, with its parameters read.
    pub(super) fn read(name: &str, matching: &FaultMatch, config: &str) -> Option<Result<Self, ArmError>> {
        let kind = KINDS.iter().find(|kind| kind.name == name)?;
        let values = match kind.read(config) {
            Ok(values) => values,
            Err(problems) => return super::order::refuse(name, problems).err().map(Err),
        };
        let missing = match name {
            "kill-provider" | "kill-credential" if matching.provider.is_none() => Some("match.provider"),
            "kill-pool" if matching.domain.is_none() => Some("match.domain"),
            _ => None,
        };
        if let Some(member) = missing {
            return Some(Err(ArmError::Range { member, message: format!("must say what `{name}` kills") }));
        }
        Some(Ok(match name {
            "dns-nxdomain" => Self::NoName,
            "dns-slow" => Self::SlowName(values.delay().copied().unwrap_or(Delay::around(3000.0))),
            "connect-timeout" => Self::ConnectTimeout,
            "tls-bad-cert" => Self::BadCertificate,
            "hang" => Self::Hang(values.delay().copied()),
            "reset" => Self::Reset,
            "kill-credential" => Self::Revoked,
            _ => Self::Refused,
        }))
    }

    /// What happens to one attempt. The words are those of a real connection that fails.
    pub(super) fn decide(self, bits: u64, connect_timeout: Duration) -> FaultVerdict {
        let draw = |delay: Delay| Duration::from_millis(delay.draw(&mut Draws::new(bits)).into());
        let fail = |why: &str| FaultAction::Break(TransportFailure::Connect(why.to_owned()));
        let timeout = || (connect_timeout, FaultAction::Break(TransportFailure::ConnectTimeout));
        let at_once = |action| (Duration::ZERO, action);
        let (delay, action) = match self {
            Self::NoName => at_once(fail("the host name does not resolve")),
            // Resolving is a part of connecting.
            Self::SlowName(delay) => match draw(delay) {
                delay if delay < connect_timeout => (delay, FaultAction::Pass),
                _ => timeout(),
            },
            Self::Refused => at_once(fail("connection refused")),
            Self::ConnectTimeout => timeout(),
            Self::BadCertificate => at_once(fail("the server's certificate is not trusted")),
            Self::Hang(None) => at_once(FaultAction::Hang),
            Self::Hang(Some(delay)) => (draw(delay), FaultAction::Pass),
            Self::Reset => {
                at_once(FaultAction::Break(TransportFailure::Reset("connection reset".to_owned())))
            }
            Self::Revoked => {
                at_once(FaultAction::Fail { class: Class::Auth, retry_after: None, status: None })
            }
        };
        FaultVerdict { delay, action }
    }
}
