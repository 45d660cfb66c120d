//! Tokens that are bad, each in one way.

use bedrock_inference::principal::ApiKey;
use serde_json::json;

use super::{A, claims};
use crate::provider::{Signer, at, hmac_token, unsigned};

/// All of them. The first key is in the set under its own id, and as `enc` and `384` for other uses.
pub fn bad_tokens(rsa: &Signer, ec: &Signer) -> Vec<(&'static str, String)> {
    let mut all = forged(rsa, ec);
    all.extend(misused(rsa));
    all
}

/// Tokens whose header, key or signature is bad.
fn forged(rsa: &Signer, ec: &Signer) -> Vec<(&'static str, String)> {
    let stranger = Signer::rsa(&rsa.id);
    let good = rsa.token(&claims(json!({})));
    let header = |algorithm: &str| json!({"alg": algorithm, "kid": rsa.id});
    let (message, signature) = good.rsplit_once('.').unwrap();
    let jwk = stranger.jwk();
    vec![
        ("garbage", "garbage".to_owned()),
        ("two dots", "..".to_owned()),
        ("no signature", format!("{message}.")),
        ("half a signature", format!("{message}.{}", &signature[..signature.len() / 2])),
        ("a part more", format!("{good}.{signature}")),
        ("somebody else's key", stranger.token(&claims(json!({})))),
        (
            "a key that it brings",
            stranger.signs(&json!({"alg": "RS256", "kid": rsa.id, "jwk": jwk}), &claims(json!({}))),
        ),
        ("alg none", unsigned(&header("none"), &claims(json!({})))),
        ("alg none in capitals", unsigned(&header("NONE"), &claims(json!({})))),
        ("the public key as a secret", hmac_token(rsa.public(), &header("HS256"), &claims(json!({})))),
        (
            "a secret of the set",
            hmac_token(b"secret", &json!({"alg": "HS256", "kid": "o"}), &claims(json!({}))),
        ),
        ("an algorithm that is not accepted", rsa.signs(&header("PS256"), &claims(json!({})))),
        ("a key of another kind", ec.signs(&json!({"alg": "ES256", "kid": rsa.id}), &claims(json!({})))),
        ("a key for another use", rsa.signs(&json!({"alg": "RS256", "kid": "enc"}), &claims(json!({})))),
        (
            "a key for another algorithm",
            rsa.signs(&json!({"alg": "RS256", "kid": "384"}), &claims(json!({}))),
        ),
        ("an unknown key", rsa.signs(&json!({"alg": "RS256", "kid": "unknown"}), &claims(json!({})))),
        ("no key's id", rsa.signs(&json!({"alg": "RS256"}), &claims(json!({})))),
        (
            "crit",
            rsa.signs(
                &json!({"alg": "RS256", "kid": rsa.id, "crit": ["b64"], "b64": false}),
                &claims(json!({})),
            ),
        ),
        ("an API key of nobody", ApiKey::new().unwrap().reveal().to_owned()),
    ]
}

/// Tokens that are signed well and say something bad.
fn misused(rsa: &Signer) -> Vec<(&'static str, String)> {
    let claims_of = [
        ("expired", json!({"exp": at(-31), "iat": at(-600), "nbf": at(-600)})),
        ("not yet", json!({"nbf": at(60)})),
        ("issued tomorrow", json!({"iat": at(86400), "exp": at(86400 + 600)})),
        ("good for too long", json!({"exp": at(3640)})),
        ("good for too long, without iat", json!({"iat": null, "exp": at(3640)})),
        ("without an end", json!({"exp": null})),
        ("an end in words", json!({"exp": "tomorrow"})),
        ("an end before all time", json!({"exp": -1})),
        ("an end after all time", json!({"exp": 1e300})),
        ("an end that overflows", json!({"exp": i64::MAX})),
        ("a beginning in words", json!({"nbf": "today"})),
        ("another audience", json!({"aud": "other"})),
        ("other audiences", json!({"aud": ["other", "another"]})),
        ("no audience", json!({"aud": null})),
        ("an audience that begins so", json!({"aud": "gateway2"})),
        ("another issuer", json!({"iss": "https://other.example"})),
        ("several issuers", json!({"iss": ["https://cluster.example"]})),
        ("no issuer", json!({"iss": null})),
        ("a subject of nobody", json!({"sub": "system:serviceaccount:team-x:app"})),
        ("a subject in other letters", json!({"sub": A.to_uppercase()})),
        ("no subject", json!({"sub": null})),
        ("a tenant's name by itself", json!({"sub": "team-a", "tenant": "team-a"})),
    ];
    claims_of.map(|(what, others)| (what, rsa.token(&claims(others)))).into()
}
