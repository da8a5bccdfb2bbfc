//! Simulated providers and a gateway over them, for clients in other languages: prints `GATEWAY SIMULATOR` base URLs on
//! one line and stays until it is stopped.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "test support: it fails loudly")]

use seawall_e2e::{Stage, block_on};
use seawall_sim::{Sim, SimOptions};

fn main() {
    block_on(async {
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        let base = format!("http://{}", sim.addr());
        let mut config =
            String::from("[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n");
        for (name, path) in
            [("openai", "v1"), ("anthropic", "v1"), ("gemini", "v1beta"), ("groq", "openai/v1")]
        {
            for lane in [name.to_owned(), format!("{name}-locked")] {
                config.push_str(&format!(
                    "[providers.{lane}]\nadapter = \"{name}\"\nbase_url = \"{base}/{lane}/{path}\"\n"
                ));
            }
        }
        // Made-up models can do what the operator says they can.
        config.push_str("[providers.groq.models.demo]\njson_schema = true\n");
        config.push_str(
            "[models.chat]\ntargets = [\"openai/demo\", \"anthropic/demo\", \"gemini/demo\", \"groq/demo\"]\n",
        );
        let stage = Stage::start(&config).await;
        println!("{} {base}", stage.url());
        std::future::pending::<()>().await;
    });
}
