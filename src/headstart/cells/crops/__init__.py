"""Single cells cut out of micrographs: pictures of one physical size, their classes, and the data set they make."""
