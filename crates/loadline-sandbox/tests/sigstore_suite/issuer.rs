//! The issuer: discovery, keys, tokens.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::{get, get_json, sandbox};

#[tokio::test]
async fn a_token_verifies_with_the_keys_that_discovery_leads_to() {
    let (_folder, sandbox) = sandbox().await;
    let ready = sandbox.ready();
    let discovery = get_json(format!("{}/.well-known/openid-configuration", ready.issuer)).await;
    assert_eq!(discovery["issuer"], ready.issuer);
    let keys = get_json(discovery["jwks_uri"].as_str().unwrap().to_owned()).await;
    let keys: JwkSet = serde_json::from_value(keys).unwrap();

    let (status, token) =
        get(format!("{}?sub=someone&aud=sigstore&claim.repository=acme/widget", ready.token_url)).await;
    assert_eq!(status, 200);
    let token = String::from_utf8(token).unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    let key = keys.find(&header.kid.unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["sigstore"]);
    validation.set_issuer(&[&ready.issuer]);
    let claims = jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(key).unwrap(), &validation);
    let claims = claims.unwrap().claims;
    assert_eq!((&claims["sub"], &claims["repository"]), (&"someone".into(), &"acme/widget".into()));
}

#[tokio::test]
async fn the_way_that_runners_ask_gets_their_answer() {
    let (_folder, sandbox) = sandbox().await;
    let answer = get_json(format!("{}?sub=someone&audience=other", sandbox.ready().token_url)).await;
    let token = answer["value"].as_str().unwrap();
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap();
    assert_eq!(claims["aud"], "other");
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let (_folder, sandbox) = sandbox().await;
    for (query, says) in
        [("aud=sigstore", "sub is missing"), ("sub=a&color=blue", "color"), ("sub=a&ttl=soon", "ttl=soon")]
    {
        let (status, body) = get(format!("{}?{query}", sandbox.ready().token_url)).await;
        let body = String::from_utf8(body).unwrap();
        assert!(status == 400 && body.contains(says), "{status} {body}");
    }
}
