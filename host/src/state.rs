//! What outlives the process: the admin token, the cache of compiled plugins and reports of experiments, in a directory of
//! this user alone.
//!
//! The cache holds machine code that will be run, and the token opens the admin interface: a directory that others can
//! write to, or a token that others can read, is refused with what to do about it, never used.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

/// Folder of the compiled plugins within the state directory.
pub const CODE_CACHE: &str = "code-cache";
const TOKEN_FILE: &str = "admin-token";
const TOKEN_BYTES: usize = 32;

/// The state directory, which exists and is private.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
}

/// Why state cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system says no.
    #[error("cannot {doing} {}; [state] dir in the configuration chooses another place", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others could change or read what they must not.
    #[error("{} is open to other users (mode {mode:o}); run: chmod {wanted:o} {}", path.display(), path.display())]
    Exposed {
        /// What is open.
        path: PathBuf,
        /// As it is.
        mode: u32,
        /// As it should be.
        wanted: u32,
    },
    /// The token file was damaged.
    #[error("{} holds no token; delete it, and a new one is made", path.display())]
    BadToken {
        /// Which file.
        path: PathBuf,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes for a new admin token: {0}")]
    Random(getrandom::Error),
}

/// The admin token, and whether it has never been shown.
#[derive(Clone, Debug)]
pub struct AdminToken {
    /// The token itself.
    pub secret: SecretString,
    /// Made just now: this is the moment to show it.
    pub fresh: bool,
}

impl AdminToken {
    /// A token of the operator's own; it is never shown.
    pub fn given(secret: SecretString) -> Self {
        Self { secret, fresh: false }
    }
}

impl StateDir {
    /// Opens the directory, making it (0700) if need be.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        make_private_dir(path)?;
        refuse_exposed(path, 0o022, 0o700)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where compiled plugins are kept (0700).
    pub fn code_cache(&self) -> Result<PathBuf, StateError> {
        self.folder(CODE_CACHE)
    }

    /// A folder in it that nobody else can write to (0700).
    pub fn folder(&self, name: &str) -> Result<PathBuf, StateError> {
        let path = self.path.join(name);
        make_private_dir(&path)?;
        refuse_exposed(&path, 0o022, 0o700)?;
        Ok(path)
    }

    /// Where the admin token is kept.
    pub fn token_path(&self) -> PathBuf {
        token_path(&self.path)
    }

    /// The kept token; at the first start, a new one.
    pub fn admin_token(&self) -> Result<AdminToken, StateError> {
        let path = self.token_path();
        if !path.exists() {
            let token = random_token().map_err(StateError::Random)?;
            if self.keep(&token, &path)? {
                return Ok(AdminToken { secret: token, fresh: true });
            }
        }
        refuse_exposed(&path, 0o077, 0o600)?;
        read_token(&path).map(AdminToken::given)
    }

    /// Puts a whole token in place unless one is there already; whether it did. Written aside and then linked, so that
    /// neither a crash nor another gateway that starts at the same moment ever sees a file without its token.
    fn keep(&self, token: &SecretString, path: &Path) -> Result<bool, StateError> {
        let aside = random_token().map_err(StateError::Random)?;
        let aside = self.path.join(format!("{TOKEN_FILE}.{}", aside.expose_secret()));
        // Private from its first moment, so the token was never readable for others.
        let mut file = new_private_file(&aside).map_err(io_error("create", &aside))?;
        let written = writeln!(file, "{}", token.expose_secret()).map_err(io_error("write", &aside));
        let linked = written.and_then(|()| match fs::hard_link(&aside, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(io_error("create", path)(error)),
        });
        fs::remove_file(&aside).map_err(io_error("remove", &aside))?;
        linked
    }
}

/// Where the admin token of a state directory is kept, whether there is one yet or not.
pub fn token_path(state_dir: &Path) -> PathBuf {
    state_dir.join(TOKEN_FILE)
}

fn read_token(path: &Path) -> Result<SecretString, StateError> {
    let mut text = String::new();
    let file = File::open(path).map_err(io_error("read", path))?;
    file.take(1024).read_to_string(&mut text).map_err(io_error("read", path))?;
    let token = text.trim();
    let whole = token.len() == 2 * TOKEN_BYTES && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    if whole { Ok(token.to_owned().into()) } else { Err(StateError::BadToken { path: path.to_owned() }) }
}

/// 256 bits from the operating system: a token is guessed as seldom as a key, whoever can reach the port.
fn random_token() -> Result<SecretString, getrandom::Error> {
    let mut bytes = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

fn io_error<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StateError + use<'a> {
    move |source| StateError::Io { doing, path: path.to_owned(), source }
}

/// Makes a directory of this user alone, with all above it.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), StateError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(io_error("create", path))
}

/// Writes a file of this user alone; one that is there is written over.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    new_private_file(path)?.write_all(bytes)
}

fn new_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, forbidden: u32, wanted: u32) -> Result<(), StateError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_err(io_error("read", path))?.permissions().mode() & 0o777;
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(StateError::Exposed { path: path.to_owned(), mode, wanted })
}

#[cfg(not(unix))]
fn refuse_exposed(path: &Path, _forbidden: u32, _wanted: u32) -> Result<(), StateError> {
    fs::metadata(path).map(drop).map_err(io_error("read", path))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn gateways_that_start_at_the_same_moment_share_one_token() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        let tokens: Vec<AdminToken> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..16).map(|_| scope.spawn(|| state.admin_token().unwrap())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let secrets: std::collections::BTreeSet<&str> =
            tokens.iter().map(|token| token.secret.expose_secret()).collect();
        assert_eq!((secrets.len(), tokens.iter().filter(|token| token.fresh).count()), (1, 1));
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1, "nothing is left aside");
    }

    #[test]
    fn the_token_is_made_once_and_belongs_to_this_user_alone() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(&home.path().join("a/b")).unwrap();
        assert_eq!(mode(state.path()), 0o700);
        let first = state.admin_token().unwrap();
        assert!(first.fresh);
        assert_eq!(first.secret.expose_secret().len(), 64);
        assert_eq!(mode(&state.token_path()), 0o600);

        let again = StateDir::open(state.path()).unwrap().admin_token().unwrap();
        assert!(!again.fresh);
        assert_eq!(again.secret.expose_secret(), first.secret.expose_secret());
        assert!(!format!("{again:?}").contains(first.secret.expose_secret()));

        let other = StateDir::open(&home.path().join("c")).unwrap().admin_token().unwrap();
        assert_ne!(other.secret.expose_secret(), first.secret.expose_secret());
    }

    #[test]
    fn what_others_could_touch_is_refused_with_the_command_that_helps() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(&home.path().join("s")).unwrap();
        state.admin_token().unwrap();
        chmod(&state.token_path(), 0o640);
        let error = state.admin_token().unwrap_err().to_string();
        assert!(error.contains("(mode 640); run: chmod 600"), "{error}");

        let cache = state.code_cache().unwrap();
        assert_eq!(mode(&cache), 0o700);
        chmod(&cache, 0o720);
        let error = state.code_cache().unwrap_err().to_string();
        assert!(error.contains("(mode 720); run: chmod 700"), "{error}");
        chmod(state.path(), 0o702);
        assert!(StateDir::open(state.path()).is_err());
    }

    #[test]
    fn a_damaged_token_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let state = StateDir::open(home.path()).unwrap();
        state.admin_token().unwrap();
        for damaged in ["", "short", &"g".repeat(64)] {
            fs::write(state.token_path(), damaged).unwrap();
            assert!(state.admin_token().unwrap_err().to_string().contains("delete it"), "{damaged}");
        }
    }

    #[test]
    fn a_place_that_cannot_be_written_says_which_setting_moves_it() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        let error = StateDir::open(&file.join("below")).unwrap_err().to_string();
        assert!(error.contains("[state] dir"), "{error}");
    }
}
