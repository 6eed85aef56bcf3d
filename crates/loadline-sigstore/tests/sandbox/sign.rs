//! Signing: what comes of it, and what each failure says.

use std::time::Duration;

use loadline_core::proof::{Claim, Content, Inclusion, TimeSource};
use loadline_core::{Clock, Digest, Secret};
use loadline_sigstore::{
    Expected, GitHubActions, RekorVersion, STATEMENT_LIMIT, Service, SignError, Signer, SigningServices,
    TokenSource,
};
use tokio::net::TcpListener;

use crate::instance::{COMMIT, Instance, SUBJECT, digest, statement};

#[tokio::test]
async fn a_statement_is_signed_and_proves_what_it_says() {
    let instance = Instance::start().await;
    let bundle = instance.signer().sign_statement(&statement()).await.unwrap();
    let proof = instance.verifier().verify(&bundle, Expected::Digest(&digest())).unwrap();
    let identity = proof.identity().unwrap();
    assert_eq!(identity.subject, SUBJECT);
    assert_eq!(identity.issuer, instance.sandbox.ready().issuer);
    assert_eq!(identity.authority, "loadline sandbox");
    for (claim, value) in [
        (Claim::BuildSignerUri, SUBJECT),
        (Claim::BuildSignerDigest, COMMIT),
        (Claim::RunnerEnvironment, "github-hosted"),
        (Claim::SourceRepositoryUri, "https://github.com/acme/widget"),
        (Claim::SourceRepositoryDigest, COMMIT),
        (Claim::SourceRepositoryRef, "refs/heads/main"),
        (Claim::SourceRepositoryIdentifier, "1"),
        (Claim::SourceRepositoryOwnerUri, "https://github.com/acme"),
        (Claim::SourceRepositoryOwnerIdentifier, "1"),
        (Claim::BuildConfigUri, SUBJECT),
        (Claim::BuildConfigDigest, COMMIT),
        (Claim::BuildTrigger, "push"),
        (Claim::RunInvocationUri, "https://github.com/acme/widget/actions/runs/1/attempts/1"),
        (Claim::SourceRepositoryVisibility, "public"),
    ] {
        assert_eq!(identity.claim(claim), Some(value), "{claim:?}");
    }
    let log = proof.log.as_ref().unwrap();
    assert_eq!((log.inclusion, log.integrated_time), (Inclusion::Proof, None));
    assert!(
        matches!(&proof.times[..], [time] if matches!(&time.by, TimeSource::Authority(name) if name.contains("timestamp")))
    );
    assert!(proof.sct);
    // Exactly the bytes that were given were signed.
    let Content::Statement { sha256, predicate, predicate_type, subjects, .. } = &proof.content else {
        panic!("{proof:?}")
    };
    assert_eq!(*sha256, Digest::of(statement()).hex());
    assert_eq!(predicate, br#"{"says":"something"}"#);
    assert_eq!((predicate_type.as_str(), subjects.len()), ("https://example.com/predicate/v1", 2));
}

#[tokio::test]
async fn each_signature_is_another_entry_and_all_verify() {
    let instance = Instance::start().await;
    let signer = instance.signer();
    let mut indexes = Vec::new();
    for _ in 0..5 {
        let bundle = signer.sign_statement(&statement()).await.unwrap();
        let proof = instance.verifier().verify(&bundle, Expected::Digest(&digest())).unwrap();
        indexes.push(proof.log.unwrap().log_index);
    }
    assert!(indexes.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{indexes:?}");
}

#[tokio::test]
async fn a_message_is_signed() {
    let instance = Instance::start().await;
    let bundle = instance.signer().sign_message(&digest()).await.unwrap();
    let verifier = instance.verifier();
    for expected in [
        Expected::Digest(&digest()),
        Expected::Bytes(b"an image"),
        Expected::OneOf(&[Digest::of("x"), digest()]),
    ] {
        let proof = verifier.verify(&bundle, expected).unwrap();
        assert_eq!(proof.content, Content::Message { sha256: digest().hex().to_owned() });
    }
    let error = verifier.verify(&bundle, Expected::Bytes(b"another")).unwrap_err();
    assert_eq!(error.code().name, "subject-mismatch");
    let mut sha512 = loadline_core::Hasher::new(loadline_core::Algorithm::Sha512);
    sha512.update(b"an image");
    let error = verifier.verify(&bundle, Expected::Digest(&sha512.finish())).unwrap_err();
    assert_eq!(error.code().name, "artifact-form");
}

#[tokio::test]
async fn tokens_come_from_an_address_and_from_github_actions() {
    let instance = Instance::start().await;
    let address = format!("{}?sub=somebody&aud=sigstore", instance.sandbox.ready().token_url);
    let ambient = GitHubActions {
        request_url: format!("{}?sub=somebody", instance.sandbox.ready().token_url),
        request_token: Secret::new("runner"),
    };
    let email = instance.sandbox.token(&loadline_sandbox::TokenRequest::email("dev@example.com")).unwrap();
    for (source, subject) in [
        (TokenSource::Given(email), "dev@example.com"),
        (TokenSource::Address(address.parse().unwrap()), "somebody"),
        (TokenSource::GitHubActions(ambient), "somebody"),
    ] {
        let signer = Signer::keyless(instance.services(), source, reqwest::Client::new()).unwrap();
        match signer.sign_statement(&statement()).await {
            Ok(bundle) => {
                let proof = instance.verifier().verify(&bundle, Expected::Digest(&digest())).unwrap();
                assert!(proof.identity().unwrap().subject.contains(subject), "{proof:?}");
            }
            // The sandbox's Fulcio knows mail addresses and workflows; that it refused the token means
            // that the token came.
            Err(SignError::Refused { service: Service::Fulcio, .. }) if subject == "somebody" => {}
            Err(error) => panic!("{subject}: {error}"),
        }
    }
}

#[tokio::test]
async fn nothing_is_asked_for_what_would_not_verify() {
    let nowhere = SigningServices::new()
        .with_fulcio("http://127.0.0.1:9")
        .with_rekor("http://127.0.0.1:9", RekorVersion::V1);
    let signer =
        Signer::keyless(nowhere, TokenSource::Given(Secret::new("x")), reqwest::Client::new()).unwrap();
    let refuse = async |statement: &str| signer.sign_statement(statement.as_bytes()).await.unwrap_err();
    let good = String::from_utf8(statement()).unwrap();
    for bad in [
        "not json".to_owned(),
        good.replace(r#"{"says":"something"}"#, "null"),
        good.replace("Statement/v1", "Statement/v9"),
        good.replace(r#""says":"#, r#""says":1,"says":"#),
        good.replace("sha256", "sha256x").replace(r#""digest":{"#, r#""digest":{},"x":{"#),
    ] {
        assert!(matches!(refuse(&bad).await, SignError::Statement { .. }), "{bad}");
    }
    let large = vec![b' '; STATEMENT_LIMIT + 1];
    assert!(matches!(signer.sign_payload("x", &large).await, Err(SignError::TooLarge { .. })));
}

/// An address where nothing listens.
async fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn what_is_down_is_named_with_its_address() {
    let instance = Instance::start().await;
    let (base, closed) = (instance.services(), closed().await);
    let sign = async |services: SigningServices, token: TokenSource| {
        Signer::keyless(services, token, reqwest::Client::new())
            .unwrap()
            .sign_statement(&statement())
            .await
            .unwrap_err()
    };
    let given = || TokenSource::Given(instance.token());
    let address = format!("{closed}/token");
    for (error, down) in [
        (sign(base.clone().with_fulcio(&closed), given()).await, Service::Fulcio),
        (sign(base.clone().with_rekor(&closed, RekorVersion::V2), given()).await, Service::Rekor),
        (sign(base.clone().with_rekor(&closed, RekorVersion::V1), given()).await, Service::Rekor),
        (sign(base.clone().with_tsa(&closed), given()).await, Service::Tsa),
        (sign(base.clone(), TokenSource::Address(address.parse().unwrap())).await, Service::Issuer),
    ] {
        assert!(error.is_transient(), "{error}");
        let SignError::Unreachable { service, address, reason } = &error else { panic!("{error:?}") };
        assert_eq!(*service, down);
        assert!(address.starts_with(&closed), "{address}");
        assert_eq!(reason, "it refuses connections");
        assert_eq!(error.failure().code.name, "signing-unreachable");
    }
    let unknown = sign(base.with_fulcio("http://no-such-host.invalid"), given()).await;
    assert!(
        matches!(&unknown, SignError::Unreachable { reason, .. } if reason == "its name does not resolve"),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn what_hangs_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let instance = Instance::start().await;
    for (services, hanging) in [
        (instance.services().with_fulcio(&silent), Service::Fulcio),
        (instance.services().with_rekor(&silent, RekorVersion::V2), Service::Rekor),
        (instance.services().with_tsa(&silent), Service::Tsa),
    ] {
        let signer = Signer::keyless(services, TokenSource::Given(instance.token()), reqwest::Client::new())
            .unwrap()
            .with_step_limit(Duration::from_millis(300));
        let error = signer.sign_statement(&statement()).await.unwrap_err();
        assert!(matches!(&error, SignError::Timeout { service, .. } if *service == hanging), "{error:?}");
    }
    server.abort();
}

#[tokio::test]
async fn what_refuses_is_named_with_what_it_said() {
    let instance = Instance::start().await;
    let foreign = loadline_sandbox::TokenRequest::new("x").claim("aud", "elsewhere");
    let token = instance.sandbox.token(&foreign).unwrap();
    let signer =
        Signer::keyless(instance.services(), TokenSource::Given(token), reqwest::Client::new()).unwrap();
    let error = signer.sign_statement(&statement()).await.unwrap_err();
    assert!(
        matches!(&error, SignError::Refused { service: Service::Fulcio, status: 400..=499, .. }),
        "{error:?}"
    );
    assert!(!error.is_transient());
    let ready = instance.sandbox.ready();
    let lost = format!("{}/nothing-here", ready.fulcio);
    let services = instance.services().with_tsa(&lost);
    let signer =
        Signer::keyless(services, TokenSource::Given(instance.token()), reqwest::Client::new()).unwrap();
    let error = signer.sign_statement(&statement()).await.unwrap_err();
    assert!(matches!(&error, SignError::Refused { service: Service::Tsa, .. }), "{error:?}");
}

#[tokio::test]
async fn tokens_that_are_no_use_are_told_apart() {
    let instance = Instance::start().await;
    let sign = async |source: TokenSource, clock: Clock| {
        Signer::keyless(instance.services(), source, reqwest::Client::new())
            .unwrap()
            .with_clock(clock)
            .sign_statement(&statement())
            .await
            .unwrap_err()
    };
    let late = Clock::Fixed("2100-01-01T00:00:00Z".parse().unwrap());
    let expired = sign(TokenSource::Given(instance.token()), late).await;
    assert!(matches!(expired, SignError::TokenExpired { .. }), "{expired:?}");
    assert!(!expired.is_transient());
    let secret = "not-a-token-but-secret";
    let garbage = sign(TokenSource::Given(Secret::new(secret)), Clock::System).await;
    assert!(matches!(garbage, SignError::Token { .. }), "{garbage:?}");
    assert!(!format!("{garbage} {garbage:?}").contains(secret));
}
