"""A second reader of CMS EnvelopedData: asn1crypto for the structure, the primitives of python3-cryptography.

usage: open_cms.py KEY.pem MESSAGE.der > content; a line of JSON about the structure goes to standard error
"""
import hashlib
import json
import sys

from asn1crypto import cms, core
from cryptography.hazmat.primitives import hashes, keywrap, padding as block, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SHA256KDF = "1.3.132.1.11.1"
AES256_WRAP = "2.16.840.1.101.3.4.1.45"


class AlgorithmWithParameters(core.Sequence):
    _fields = [("algorithm", core.ObjectIdentifier), ("parameters", core.Any, {"optional": True})]


class SharedInfo(core.Sequence):
    """ECC-CMS-SharedInfo, RFC 5753 section 7.2"""

    _fields = [
        ("keyInfo", AlgorithmWithParameters),
        ("suppPubInfo", core.OctetString, {"explicit": 2}),
    ]


def transported(info, key):
    algorithm = info["key_encryption_algorithm"]
    name = algorithm["algorithm"].native
    if name == "rsaes_oaep":
        parameters = algorithm["parameters"]
        digest = parameters["hash_algorithm"]["algorithm"].native
        mask = parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native
        label = parameters["p_source_algorithm"]["parameters"].native
        how = padding.OAEP(padding.MGF1(getattr(hashes, mask.upper())()), getattr(hashes, digest.upper())(), label or None)
    elif name == "rsaes_pkcs1v15":
        how = padding.PKCS1v15()
    else:
        raise ValueError(name)
    return key.decrypt(info["encrypted_key"].native, how), name


def agreed(info, key):
    outer = AlgorithmWithParameters.load(info["key_encryption_algorithm"].dump())
    wrap = AlgorithmWithParameters.load(outer["parameters"].dump())
    assert outer["algorithm"].dotted == SHA256KDF, outer["algorithm"].dotted
    assert wrap["algorithm"].dotted == AES256_WRAP, wrap["algorithm"].dotted
    originator = info["originator"].chosen
    peer = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, originator["public_key"].native)
    shared = key.exchange(ec.ECDH(), peer)
    bits = (256).to_bytes(4, "big")
    shared_info = SharedInfo({"keyInfo": wrap, "suppPubInfo": bits}).dump()
    kek = hashlib.sha256(shared + (1).to_bytes(4, "big") + shared_info).digest()
    for recipient in info["recipient_encrypted_keys"]:
        try:
            return keywrap.aes_key_unwrap(kek, recipient["encrypted_key"].native), "ecdh-sha256kdf"
        except keywrap.InvalidUnwrap:
            continue
    raise ValueError("no key for us")


def main():
    with open(sys.argv[1], "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    with open(sys.argv[2], "rb") as file:
        outer = cms.ContentInfo.load(file.read())
    assert outer["content_type"].native == "enveloped_data"
    enveloped = outer["content"]
    recipients = enveloped["recipient_infos"]
    inner = enveloped["encrypted_content_info"]
    algorithm = inner["content_encryption_algorithm"]
    found = None
    for recipient in recipients:
        try:
            if recipient.name == "ktri" and not isinstance(key, ec.EllipticCurvePrivateKey):
                found = transported(recipient.chosen, key)
            elif recipient.name == "kari" and isinstance(key, ec.EllipticCurvePrivateKey):
                found = agreed(recipient.chosen, key)
        except ValueError:
            continue
        if found is not None and len(found[0]) == 32:
            break
    assert found is not None
    cipher = Cipher(algorithms.AES(found[0]), modes.CBC(algorithm["parameters"].native)).decryptor()
    unpad = block.PKCS7(128).unpadder()
    content = cipher.update(inner["encrypted_content"].native) + cipher.finalize()
    sys.stdout.buffer.write(unpad.update(content) + unpad.finalize())
    about = {
        "version": enveloped["version"].native,
        "recipients": len(recipients),
        "contentType": inner["content_type"].native,
        "cipher": algorithm["algorithm"].native,
        "key": found[1],
    }
    sys.stderr.write(json.dumps(about) + "\n")


main()
