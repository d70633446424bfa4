//! Results of the verification of a certificate.

use super::{ConverterRow, row};
use crate::arg::ArgSpec;
use crate::cast;
use crate::value::{Type, Value};

pub(super) const ROWS: &[ConverterRow] = &[row(
    "x509_v_err_str",
    ArgSpec::NONE,
    Type::Int,
    Type::Str,
    "the name of a result of verification, as OpenSSL has them: `int(10),x509_v_err_str` is \
     `X509_V_ERR_CERT_HAS_EXPIRED`; the number where there is no name (7.3.1)",
    |_, _, v| match v {
        Value::Int(int) => Some(
            match usize::try_from(int)
                .ok()
                .and_then(|index| VERIFY_ERRORS.get(index))
            {
                Some(name) => Value::str(format!("X509_V_{name}")),
                None => Value::Str(cast::int_text(int)),
            },
        ),
        _ => None,
    },
)];

/// What comes after `X509_V_` in the names of OpenSSL 3.0, by number.
pub(crate) const VERIFY_ERRORS: [&str; 95] = [
    "OK",
    "ERR_UNSPECIFIED",
    "ERR_UNABLE_TO_GET_ISSUER_CERT",
    "ERR_UNABLE_TO_GET_CRL",
    "ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE",
    "ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE",
    "ERR_UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
    "ERR_CERT_SIGNATURE_FAILURE",
    "ERR_CRL_SIGNATURE_FAILURE",
    "ERR_CERT_NOT_YET_VALID",
    "ERR_CERT_HAS_EXPIRED",
    "ERR_CRL_NOT_YET_VALID",
    "ERR_CRL_HAS_EXPIRED",
    "ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD",
    "ERR_ERROR_IN_CERT_NOT_AFTER_FIELD",
    "ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD",
    "ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD",
    "ERR_OUT_OF_MEM",
    "ERR_DEPTH_ZERO_SELF_SIGNED_CERT",
    "ERR_SELF_SIGNED_CERT_IN_CHAIN",
    "ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "ERR_CERT_CHAIN_TOO_LONG",
    "ERR_CERT_REVOKED",
    "ERR_NO_ISSUER_PUBLIC_KEY",
    "ERR_PATH_LENGTH_EXCEEDED",
    "ERR_INVALID_PURPOSE",
    "ERR_CERT_UNTRUSTED",
    "ERR_CERT_REJECTED",
    "ERR_SUBJECT_ISSUER_MISMATCH",
    "ERR_AKID_SKID_MISMATCH",
    "ERR_AKID_ISSUER_SERIAL_MISMATCH",
    "ERR_KEYUSAGE_NO_CERTSIGN",
    "ERR_UNABLE_TO_GET_CRL_ISSUER",
    "ERR_UNHANDLED_CRITICAL_EXTENSION",
    "ERR_KEYUSAGE_NO_CRL_SIGN",
    "ERR_UNHANDLED_CRITICAL_CRL_EXTENSION",
    "ERR_INVALID_NON_CA",
    "ERR_PROXY_PATH_LENGTH_EXCEEDED",
    "ERR_KEYUSAGE_NO_DIGITAL_SIGNATURE",
    "ERR_PROXY_CERTIFICATES_NOT_ALLOWED",
    "ERR_INVALID_EXTENSION",
    "ERR_INVALID_POLICY_EXTENSION",
    "ERR_NO_EXPLICIT_POLICY",
    "ERR_DIFFERENT_CRL_SCOPE",
    "ERR_UNSUPPORTED_EXTENSION_FEATURE",
    "ERR_UNNESTED_RESOURCE",
    "ERR_PERMITTED_VIOLATION",
    "ERR_EXCLUDED_VIOLATION",
    "ERR_SUBTREE_MINMAX",
    "ERR_APPLICATION_VERIFICATION",
    "ERR_UNSUPPORTED_CONSTRAINT_TYPE",
    "ERR_UNSUPPORTED_CONSTRAINT_SYNTAX",
    "ERR_UNSUPPORTED_NAME_SYNTAX",
    "ERR_CRL_PATH_VALIDATION_ERROR",
    "ERR_PATH_LOOP",
    "ERR_SUITE_B_INVALID_VERSION",
    "ERR_SUITE_B_INVALID_ALGORITHM",
    "ERR_SUITE_B_INVALID_CURVE",
    "ERR_SUITE_B_INVALID_SIGNATURE_ALGORITHM",
    "ERR_SUITE_B_LOS_NOT_ALLOWED",
    "ERR_SUITE_B_CANNOT_SIGN_P_384_WITH_P_256",
    "ERR_HOSTNAME_MISMATCH",
    "ERR_EMAIL_MISMATCH",
    "ERR_IP_ADDRESS_MISMATCH",
    "ERR_DANE_NO_MATCH",
    "ERR_EE_KEY_TOO_SMALL",
    "ERR_CA_KEY_TOO_SMALL",
    "ERR_CA_MD_TOO_WEAK",
    "ERR_INVALID_CALL",
    "ERR_STORE_LOOKUP",
    "ERR_NO_VALID_SCTS",
    "ERR_PROXY_SUBJECT_NAME_VIOLATION",
    "ERR_OCSP_VERIFY_NEEDED",
    "ERR_OCSP_VERIFY_FAILED",
    "ERR_OCSP_CERT_UNKNOWN",
    "ERR_UNSUPPORTED_SIGNATURE_ALGORITHM",
    "ERR_SIGNATURE_ALGORITHM_MISMATCH",
    "ERR_SIGNATURE_ALGORITHM_INCONSISTENCY",
    "ERR_INVALID_CA",
    "ERR_PATHLEN_INVALID_FOR_NON_CA",
    "ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN",
    "ERR_KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA",
    "ERR_ISSUER_NAME_EMPTY",
    "ERR_SUBJECT_NAME_EMPTY",
    "ERR_MISSING_AUTHORITY_KEY_IDENTIFIER",
    "ERR_MISSING_SUBJECT_KEY_IDENTIFIER",
    "ERR_EMPTY_SUBJECT_ALT_NAME",
    "ERR_EMPTY_SUBJECT_SAN_NOT_CRITICAL",
    "ERR_CA_BCONS_NOT_CRITICAL",
    "ERR_AUTHORITY_KEY_IDENTIFIER_CRITICAL",
    "ERR_SUBJECT_KEY_IDENTIFIER_CRITICAL",
    "ERR_CA_CERT_MISSING_KEY_USAGE",
    "ERR_EXTENSIONS_REQUIRE_VERSION_3",
    "ERR_EC_KEY_EXPLICIT_PARAMS",
];

#[cfg(test)]
mod tests {
    use crate::{Converter, NoSession, Scope, Value};

    #[test]
    fn numbers_have_openssl_s_names() {
        let converter = Converter::new("x509_v_err_str", &[], &Scope::anywhere()).unwrap();
        for (number, name) in [
            (0, "X509_V_OK"),
            (1, "X509_V_ERR_UNSPECIFIED"),
            (10, "X509_V_ERR_CERT_HAS_EXPIRED"),
            (18, "X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT"),
            (23, "X509_V_ERR_CERT_REVOKED"),
            (62, "X509_V_ERR_HOSTNAME_MISMATCH"),
            (94, "X509_V_ERR_EC_KEY_EXPLICIT_PARAMS"),
            (95, "95"),
            (-1, "-1"),
            (i64::MAX, "9223372036854775807"),
        ] {
            assert_eq!(
                converter.apply(&NoSession, Value::Int(number)),
                Some(Value::str(name))
            );
        }
    }
}
