//! The issuers and the shapes of their claims: what each becomes in a certificate, and what each refuses.

use der::Decode;
use loadline_core::Secret;
use loadline_sandbox::{GitLabJob, Sandbox, Shape, TokenRequest};
use serde_json::{Value, json};

use crate::fulcio::{certify, extension, leaf};
use crate::{SHA, get, get_json, run, sandbox};

fn name(answer: &Value) -> String {
    let extension = extension(&leaf(answer), "2.5.29.17").unwrap();
    // One name in a sequence: two headers of two bytes, for names this short.
    String::from_utf8_lossy(&extension[4..]).into_owned()
}

async fn refused(sandbox: &Sandbox, request: &TokenRequest, proves: &str, says: &str) {
    let (status, answer) = certify(sandbox, &sandbox.token(request).unwrap(), proves).await;
    let message = answer["message"].as_str().unwrap_or_default();
    assert_eq!((status, &answer["code"]), (400, &3.into()), "{answer}");
    assert!(message.contains(says), "{message} does not say: {says}");
}

#[tokio::test]
async fn a_gitlab_job_is_written_into_the_certificate() {
    let (_folder, sandbox) = sandbox().await;
    let job = GitLabJob::new("acme/tools/widget", "main", SHA);
    let token = sandbox.gitlab_token(&job).unwrap();
    let (status, answer) =
        certify(&sandbox, &token, "project_path:acme/tools/widget:ref_type:branch:ref:main").await;
    assert_eq!(status, 200, "{answer}");
    let definition = "https://gitlab.com/acme/tools/widget//.gitlab-ci.yml@refs/heads/main";
    assert_eq!(name(&answer), definition);
    assert_eq!(job.identity(), definition);
    let issuer = format!("{}/gitlab", sandbox.ready().issuer);
    let certificate = leaf(&answer);
    let at = |number| extension(&certificate, &format!("1.3.6.1.4.1.57264.1.{number}"));
    assert_eq!(at(1).as_deref(), Some(issuer.as_bytes()));
    for number in 2..7 {
        assert_eq!(at(number), None, "{number} is GitHub's");
    }
    for (number, expected) in [
        (8, issuer.as_str()),
        (9, definition),
        (10, SHA),
        (11, "gitlab-hosted"),
        (12, "https://gitlab.com/acme/tools/widget"),
        (13, SHA),
        (14, "refs/heads/main"),
        (15, "1"),
        (16, "https://gitlab.com/acme/tools"),
        (17, "1"),
        (18, definition),
        (19, SHA),
        (20, "push"),
        (21, "https://gitlab.com/acme/tools/widget/-/jobs/1"),
        (22, "public"),
        (24, "project_path:acme/tools/widget:ref_type:branch:ref:main"),
    ] {
        let text = at(number).map(|der| String::from_der(&der).unwrap());
        assert_eq!(text.as_deref(), Some(expected), "{number}");
    }
}

#[tokio::test]
async fn every_issuer_hands_out_tokens_that_fulcio_takes() {
    let (_folder, sandbox) = sandbox().await;
    let ready = sandbox.ready();
    let configuration = get_json(format!("{}/api/v2/configuration", ready.fulcio)).await;
    let listed = configuration["issuers"].as_array().unwrap();
    assert_eq!(listed.len(), Shape::ALL.len());
    for (path, query, proves, expected) in [
        ("", "sub=https://a.example/b", "https://a.example/b", "https://a.example/b"),
        (
            "/github",
            "claim.repository=o/n&claim.ref=refs/tags/v1",
            "repo:o/n:ref:refs/tags/v1",
            "https://github.com/o/n/.github/workflows/build.yml@refs/tags/v1",
        ),
        (
            "/gitlab",
            "claim.project_path=g/p&claim.ref=v1&claim.ref_type=tag",
            "project_path:g/p:ref_type:tag:ref:v1",
            "https://gitlab.com/g/p//.gitlab-ci.yml@refs/tags/v1",
        ),
        ("/email", "claim.email=a@b.example", "a@b.example", "a@b.example"),
        (
            "/uri",
            "sub=https://sandbox.example/me",
            "https://sandbox.example/me",
            "https://sandbox.example/me",
        ),
    ] {
        let issuer = format!("{}{path}", ready.issuer);
        let discovery = get_json(format!("{issuer}/.well-known/openid-configuration")).await;
        assert_eq!(discovery["issuer"], issuer);
        let entry = listed.iter().find(|entry| entry["issuerUrl"] == issuer).unwrap();
        assert_eq!(entry["audience"], "sigstore");
        let (status, token) = get(format!("{issuer}/token?{query}")).await;
        let token = Secret::new(String::from_utf8(token).unwrap());
        assert_eq!(status, 200, "{}", token.expose());
        let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(token.expose()).unwrap();
        assert_eq!(claims["iss"], issuer);
        assert_eq!(claims[entry["challengeClaim"].as_str().unwrap()], proves);
        let (status, answer) = certify(&sandbox, &token, proves).await;
        assert_eq!((status, name(&answer).as_str()), (200, expected), "{path}: {answer}");
        let own = extension(&leaf(&answer), "1.3.6.1.4.1.57264.1.1").unwrap();
        assert_eq!(String::from_utf8(own).unwrap(), issuer);

        // The wrong proof, the wrong audience, the wrong time: the same at every issuer.
        let (status, answer) = certify(&sandbox, &token, "somebody else").await;
        assert_eq!(status, 400, "{answer}");
        assert_eq!(answer["message"], "The signature supplied in the request could not be verified");
        for (change, says) in [("aud=nobody", "expected audience"), ("ttl=-1", "it expired at")] {
            let (_, token) = get(format!("{issuer}/token?{query}&{change}")).await;
            let token = Secret::new(String::from_utf8(token).unwrap());
            let (status, answer) = certify(&sandbox, &token, proves).await;
            let message = answer["message"].as_str().unwrap();
            assert!(status == 400 && message.contains(says), "{path} {change}: {status} {message}");
        }
    }
}

#[tokio::test]
async fn an_issuer_speaks_for_itself_only() {
    let (_folder, sandbox) = sandbox().await;
    // Signed with the email issuer's key, in the name of GitLab's.
    let gitlab = format!("{}/gitlab", sandbox.ready().issuer);
    let job = GitLabJob::new("acme/widget", "main", SHA).token_request();
    let forged = job.clone().of(Shape::Email).claim("iss", gitlab);
    refused(&sandbox, &forged, &job.subject, "its signature is not the issuer's").await;
    let unknown = job.clone().claim("iss", "https://gitlab.com");
    refused(&sandbox, &unknown, &job.subject, "unsupported issuer: https://gitlab.com").await;
}

#[tokio::test]
async fn a_claim_that_its_kind_needs_must_be_there() {
    let (_folder, sandbox) = sandbox().await;
    let gitlab = GitLabJob::new("acme/widget", "main", SHA).token_request();
    let github = run().token_request().of(Shape::GitHub);
    let mut tried = 0;
    for (whole, optional) in
        [(&gitlab, &["pipeline_id", "user_login", "runner_id"][..]), (&github, &["actor", "ref_type"][..])]
    {
        let (status, answer) = certify(&sandbox, &sandbox.token(whole).unwrap(), &whole.subject).await;
        assert_eq!(status, 200, "{answer}");
        for claim in whole.claims.keys().filter(|claim| !optional.contains(&claim.as_str())) {
            let mut without = whole.clone();
            without.claims.remove(claim);
            refused(&sandbox, &without, &whole.subject, &format!("<{claim}>")).await;
            tried += 1;
        }
    }
    assert!(tried > 25, "{tried}");
    let email = |address: &str| TokenRequest::email(address).of(Shape::Email);
    refused(&sandbox, &email("nobody"), "nobody", "email address is not valid").await;
    let unverified = email("a@b.example").claim("email_verified", json!("true"));
    refused(&sandbox, &unverified, "a@b.example", "email_verified claim was false").await;
    let missing = TokenRequest::new("a@b.example").of(Shape::Email);
    refused(&sandbox, &missing, "a@b.example", "the claim email is missing").await;
    for (subject, says) in [
        ("https://sandbox.example.org/me", "scheme and host"),
        ("http://sandbox.example/me", "scheme and host"),
        ("me", "scheme and host"),
        ("me@sandbox.example", "should not be an email"),
    ] {
        refused(&sandbox, &TokenRequest::new(subject).of(Shape::Uri), subject, says).await;
    }
}
