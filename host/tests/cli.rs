//! The binary as scripts see it: exit codes, what goes to which stream, nothing coloured where nobody looks.

#[cfg(test)]
mod cli {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpStream;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Output, Stdio};

    /// A directory of its own for each test, so that nothing of the machine's user is read or written.
    struct Desk(tempfile::TempDir);

    impl Desk {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        }

        fn seawall(&self, words: &[&str]) -> Output {
            self.seawall_with(words, &[])
        }

        fn seawall_with(&self, words: &[&str], variables: &[(&str, &str)]) -> Output {
            self.command(words).envs(variables.iter().copied()).output().unwrap()
        }

        fn command(&self, words: &[&str]) -> Command {
            let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
            command.args(words).current_dir(self.0.path()).env_clear();
            command.env("XDG_STATE_HOME", self.0.path().join("state"));
            command
        }

        /// What `serve` says on both streams until it has said how operators get in; asks for status with the token
        /// that this line of standard output names.
        fn serve_until_told(&self) -> (String, String, String) {
            let piped = Stdio::piped;
            let child = self.command(&["serve"]).stdout(piped()).stderr(piped()).spawn().unwrap();
            let mut child = Ends(child);
            let mut said = String::new();
            let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
            while !said.contains("/admin/status") {
                let Some(line) = lines.next() else { break };
                said.push_str(&(line.unwrap() + "\n"));
            }
            let token = std::fs::read_to_string(self.0.path().join("state/seawall/admin-token")).unwrap();
            let addr = said.split("operators: http://").nth(1).unwrap().lines().next().unwrap();
            let mut socket = TcpStream::connect(addr).unwrap();
            let request = format!(
                "GET /admin/status HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
                token.trim()
            );
            socket.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            child.0.kill().unwrap();
            let mut logged = String::new();
            child.0.stderr.take().unwrap().read_to_string(&mut logged).unwrap();
            (said, logged, token.trim().to_owned())
        }
    }

    /// A test that fails leaves no process behind.
    struct Ends(Child);

    impl Drop for Ends {
        fn drop(&mut self) {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }

    #[track_caller]
    fn check(output: &Output, code: i32, out: &[&str], err: &[&str]) {
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "stdout:\n{stdout}\nstderr:\n{stderr}");
        for part in out {
            assert!(stdout.contains(part), "stdout lacks {part}:\n{stdout}");
        }
        for part in err {
            assert!(stderr.contains(part), "stderr lacks {part}:\n{stderr}");
        }
        assert!(
            !stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'),
            "colours in a pipe:\n{stdout}{stderr}"
        );
    }

    /// Asked of the library that the binary is made of: both have the plugins inside, or look for them in one place.
    fn plugins_are_built() -> bool {
        !seawall::bundled::bundled_plugins().is_empty()
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn a_wrong_command_line_is_64_and_help_is_not_wrong() {
        let desk = Desk::new();
        check(&desk.seawall(&[]), 64, &[], &["Usage: seawall"]);
        check(&desk.seawall(&["serv"]), 64, &[], &["serve"]);
        check(&desk.seawall(&["serve", "--listen", "nowhere"]), 64, &[], &["nowhere"]);
        check(&desk.seawall(&["demo", "--port", "65530"]), 64, &[], &["65525"]);
        check(&desk.seawall(&["--help"]), 0, &["serve", "demo", "sim", "config", "plugin"], &[]);
        check(&desk.seawall(&["--version"]), 0, &[concat!("seawall ", env!("CARGO_PKG_VERSION"))], &[]);
    }

    #[test]
    fn config_check_prints_every_problem_and_exits_1() {
        let desk = Desk::new();
        let file = desk.file("bad.toml", "[server]\nlsten = 1\n[models.chat]\ntargets = [\"a/b\"]\n");
        let output = desk.seawall(&["config", "check", file.to_str().unwrap()]);
        check(
            &output,
            1,
            &["bad.toml:2:1]", "did you mean `listen`?", "bad.toml:4:12]", "provider `a` is not configured"],
            &["3 problems"],
        );
        let output = desk.seawall(&["config", "check", "--json", file.to_str().unwrap()]);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let lines: Vec<_> =
            found["problems"].as_array().unwrap().iter().map(|p| p["line"].as_u64()).collect();
        assert_eq!(lines, [Some(2), Some(4), None]);
        check(&output, 1, &["unknown-key", "unknown-provider", "no-providers"], &[]);
    }

    #[test]
    fn a_file_that_is_not_there_is_a_problem_like_others() {
        let desk = Desk::new();
        for words in [["config", "check", "absent.toml"], ["config", "show", "absent.toml"]] {
            let output = desk.seawall(&words);
            assert_eq!(output.status.code(), Some(1));
            let said = text(&output.stdout) + &text(&output.stderr);
            assert!(said.contains("cannot read absent.toml"), "{said}");
        }
        check(&desk.seawall(&["serve", "--config", "absent.toml"]), 1, &[], &["cannot read absent.toml"]);
    }

    #[test]
    fn config_show_shows_no_secret() {
        let desk = Desk::new();
        desk.file(
            "seawall.toml",
            "[admin]\ntoken = { env = \"TOKEN\" }\n[providers.up]\nadapter = \"x\"\ncredential = { env = \"KEY\" }\n\
             [[clients]]\nname = \"shop\"\nkey = { env = \"SHOP\" }\n",
        );
        let secrets = [("TOKEN", "secret-t"), ("KEY", "secret-k"), ("SHOP", "secret-s")];
        let output = desk.seawall_with(&["config", "show"], &secrets);
        check(&output, 0, &["\"credential\": \"set\"", "\"shop\"", "127.0.0.1:8080"], &[]);
        assert!(!text(&output.stdout).contains("secret-"));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
    }

    #[test]
    fn plugin_check_names_code_and_fix() {
        let desk = Desk::new();
        let file = desk.file("broken.wasm", "this is no component");
        let file = file.to_str().unwrap();
        check(&desk.seawall(&["plugin", "check", file]), 1, &["P001", "fix:"], &[]);
        let output = desk.seawall(&["plugin", "check", "--json", file]);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["problem"]["code"], "P001");
        assert_eq!(output.status.code(), Some(1));
    }

    /// Both outcomes are right, each under its own condition: the bundled plugins are built by another command.
    #[test]
    fn the_examples_pass_config_check_where_plugins_are_built() {
        let desk = Desk::new();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let keys = [("OPENAI_API_KEY", "sk-a"), ("ANTHROPIC_API_KEY", "sk-b"), ("GROQ_API_KEY", "sk-c")];
        let built = plugins_are_built();
        for name in ["seawall.toml", "local.toml", "demo.toml"] {
            let file = examples.join(name);
            let output = desk.seawall_with(&["config", "check", file.to_str().unwrap()], &keys);
            if built {
                check(&output, 0, &["good"], &[]);
            } else {
                check(&output, 2, &[], &["cargo xtask plugins"]);
            }
        }
    }

    #[test]
    fn the_demo_survives_a_broken_provider_before_your_eyes() {
        let output = Desk::new().seawall(&["demo", "--once", "--port", "0"]);
        if !plugins_are_built() {
            return check(&output, 2, &[], &["cargo xtask plugins"]);
        }
        check(
            &output,
            0,
            &[
                "curl -s http://127.0.0.1:",
                "chat: openai/gpt-4o answered in",
                "chat: openai/gpt-4o failed: overloaded (503)",
                "; trying anthropic/claude-sonnet-4-5",
                "breaker of openai/gpt-4o opens for",
                "chat: openai/gpt-4o skipped: its breaker is open",
                "chat: anthropic/claude-sonnet-4-5 answered as a fallback",
            ],
            &[],
        );
    }

    #[test]
    fn without_a_file_and_keys_serve_says_what_to_set() {
        let output = Desk::new().seawall(&["serve"]);
        if !plugins_are_built() {
            return check(&output, 2, &[], &["cargo xtask plugins"]);
        }
        check(&output, 1, &[], &["set one of", "OPENAI_API_KEY", "seawall demo"]);
    }

    #[test]
    fn serve_shows_the_token_once_and_how_to_use_it_and_logs_nothing_but_json() {
        let desk = Desk::new();
        desk.file(
            "seawall.toml",
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [providers.a]\nadapter = \"openai\"\n[providers.b]\nadapter = \"opneai\"\n\
             [models.one]\ntargets = [\"a/m\"]\n[models.two]\ntargets = [\"b/m\"]\n",
        );
        if !plugins_are_built() {
            return;
        }
        let (said, logged, token) = desk.serve_until_told();
        for part in [&format!("token {token}\n"), "told by seawall.toml", "models:    one, two, or any"] {
            assert!(said.contains(part), "{part} is missing: {said}");
        }
        for line in logged.lines() {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "not JSON: {line}");
        }
        assert!(logged.contains("\"unknown-plugin\"") && logged.contains("1 of 2 providers"), "{logged}");
        assert!(!logged.contains(&token));

        let (said, logged, _) = desk.serve_until_told();
        assert!(said.contains("authorization: Bearer $(cat '") && said.contains("admin-token')\""), "{said}");
        assert!(!said.contains(&token) && !logged.contains(&token));
    }

    #[test]
    fn what_plugins_do_not_give_is_found_at_once() {
        let desk = Desk::new();
        std::fs::create_dir(desk.0.path().join("plugins.d")).unwrap();
        desk.file("plugins.d/mine.wasm", "this is no component");
        let config = "[providers.a]\nadapter = \"mine\"\n[providers.b]\nadapter = \"mien\"\n\
                      [providers.c]\nadapter = \"openai-compatible\"\n";
        let file = desk.file("seawall.toml", config);
        let output = desk.seawall(&["config", "check", file.to_str().unwrap()]);
        if !plugins_are_built() {
            return check(
                &output,
                1,
                &["no adapter `mine` is loaded", "the plugin `mine` is refused: P001"],
                &[],
            );
        }
        check(
            &output,
            1,
            &[
                "seawall.toml:2:11]",
                "no adapter `mine` is loaded",
                "the plugin `mine` is refused: P001",
                "seawall.toml:4:11]",
                "no adapter `mien` is loaded",
                "seawall.toml:5:1]",
                "provider `c`: neither the operator nor the adapter names a base URL",
            ],
            &["4 problems"],
        );
    }
}
