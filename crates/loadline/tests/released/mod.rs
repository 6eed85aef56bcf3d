//! What a release left in its sandbox, served again for consumers.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use loadline_sandbox::{Options, Sandbox};

use crate::support::{Project, Run, images};

/// A project that was released, and its sandbox up again as the registry and Sigstore it was released to.
pub struct Released {
    pub project: Project,
    pub sandbox: Sandbox,
    pub runtime: tokio::runtime::Runtime,
    /// By tag, and by digest.
    pub server: (String, String),
    pub worker: (String, String),
}

impl Released {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Options)) -> Self {
        let project = Project::new();
        let run = project.release(&["--version", "1.0.0"]);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        let released = images(&run.json());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut options = Options::new(project.sandbox().join("data"));
        let port: u16 = project.read("target/loadline-sandbox/port").trim().parse().unwrap();
        options.listen.set_port(port);
        change(&mut options);
        let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
        let repository = format!("{}/acme/widget", sandbox.ready().registry);
        let named = |image: &str, tag: &str| {
            (format!("{repository}:{tag}"), format!("{repository}@{}", released[image].0))
        };
        let (server, worker) = (named("server", "1.0.0"), named("worker", "1.0.0-worker"));
        Self { project, sandbox, runtime, server, worker }
    }

    /// Verifies, believing the sandbox.
    pub fn verify(&self, args: &[&str]) -> Run {
        let root = self.sandbox.ready().trusted_root.display().to_string();
        let issuer = self.sandbox.ready().issuer.clone();
        self.project.run(&[&["verify", "--trusted-root", &root, "--issuer", &issuer], args].concat())
    }

    pub fn json(&self, args: &[&str]) -> Run {
        self.verify(&[args, &["--format", "json"]].concat())
    }
}
