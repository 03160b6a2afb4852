import javax.xml.bind.DatatypeConverter;

class GoneFromTheJdk {
    String base64(byte[] bytes) {
        return DatatypeConverter.printBase64Binary(bytes);
    }
}
